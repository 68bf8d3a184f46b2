"""A scheduler proposes and verifies skills on a login node: nothing heavy is loaded for it."""

import json
import subprocess
import sys

PROGRAM = """
import importlib, json, pkgutil, sys
import gamefleet.skills
for module in pkgutil.walk_packages(gamefleet.skills.__path__, "gamefleet.skills."):
    if not module.name.endswith(("_jax", "sandbox_program")):
        importlib.import_module(module.name)
import gamefleet.testing.crafting
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_skills_and_the_toy_world_load_neither_jax_nor_torch_nor_a_models_client() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=300)

    assert {"jax", "torch", "craftax", "openai", "scipy", "pyboy"} & set(json.loads(result.stdout)) == set()
