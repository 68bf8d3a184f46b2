import pytest

from gamefleet.errors import ConfigError
from gamefleet.games.pokemon_red import PACKAGE, PokemonRedConfig
from gamefleet.testing.toys import chain


@pytest.mark.parametrize("auto_skip_text", [True, False])
def test_the_scripted_player_gets_its_first_partner_with_and_without_skipped_scenes(auto_skip_text: bool) -> None:
    game = PACKAGE.make_game(PokemonRedConfig(stop_at_milestone="got_starter", auto_skip_text=auto_skip_text))
    step = game.reset(5)
    player = PACKAGE.make_scripted(game)
    rewards = 0.0
    for _ in range(150):
        step = game.step(player.act())
        rewards += step.reward
        if step.terminated:
            break
    assert step.terminated
    assert step.progress == 5.0
    assert rewards > 5.0


def test_the_scripted_player_refuses_a_game_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="only knows the cartridge"):
        PACKAGE.make_scripted(chain.PACKAGE.make_game(chain.ChainConfig()))
