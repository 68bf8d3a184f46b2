import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from gamefleet.errors import ConfigError
from gamefleet.games.gymnasium_adapter import GymnasiumGame, make_gymnasium
from gamefleet.testing.toys import corridor


def test_the_cartridge_passes_gymnasiums_own_checker_without_a_warning() -> None:
    env = make_gymnasium("pokemon_red", render_mode="rgb_array", max_episode_steps=50)
    check_env(env)
    env.close()


def test_a_game_without_pictures_passes_too() -> None:
    env = GymnasiumGame(corridor.PACKAGE.make_game(corridor.PACKAGE.config_type()))
    env.spec = None
    env.reset(seed=0)
    check_env(env, skip_render_check=True)
    assert env.render() is None


def test_an_episode_can_start_at_a_saved_state() -> None:
    env = make_gymnasium("pokemon-red")
    env.reset(seed=3)
    for action in (0, 0, 1, 1):
        obs, *_ = env.step(np.int64(action))
    state = env.game.save_state()
    env.reset(seed=4)
    restored, info = env.reset(options={"state": state})
    assert np.array_equal(restored["position"], obs["position"])
    assert info["terms"]["exploration"] == 0.0


def test_info_names_terms_and_milestones_and_observations_are_copies() -> None:
    env = make_gymnasium("pokemon_red")
    first, info = env.reset(seed=0)
    kept = first["position"].copy()
    for _ in range(4):
        _, reward, _, _, info = env.step(np.int64(0))
    assert np.array_equal(first["position"], kept)
    assert sum(info["terms"].values()) == pytest.approx(reward)
    assert set(info) == {"terms", "milestones", "cell", "progress"}


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'max_episode_steps'"):
        make_gymnasium("pokemon_red", max_steps=5)
