"""The notebook: its two forms say the same, it carries no outputs, and it does what it says from top to bottom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

from gamefleet.files import read_json
from gamefleet.runs.claim import holder_alive
from gamefleet.runs.paths import RunPaths

REMEDY = "pip install 'gamefleet[dev]'"
NEVER_ENDS = "100000000"


@pytest.fixture(scope="module")
def notebooks(repository: Path, require_module: Any) -> Path:
    for module in ("jupytext", "nbclient", "ipykernel"):
        require_module(module, REMEDY)
    return repository / "notebooks"


@pytest.fixture
def paths(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """The run of the notebook; settings small enough for a test, and Jupyter's own files beside the run."""
    monkeypatch.setenv("GAMEFLEET_NOTEBOOK_CONFIG", str(repository / "configs" / "smoke.toml"))
    monkeypatch.setenv("GAMEFLEET_NOTEBOOK_STEPS", "800")
    monkeypatch.setenv("GAMEFLEET_NOTEBOOK_RUNS", str(tmp_path / "runs"))
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    return RunPaths(tmp_path / "runs" / "notebook")


@pytest.fixture
def kernel(notebooks: Path, paths: RunPaths) -> Iterator[tuple[Any, Any]]:
    """A kernel in the notebook's folder, as Jupyter starts it: its manager and a client."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(notebooks))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def cells(path: Path) -> list[tuple[str, str]]:
    import jupytext

    return [(cell["cell_type"], cell["source"]) for cell in jupytext.read(path)["cells"]]


def test_every_notebook_has_a_markdown_twin_that_says_the_same(notebooks: Path) -> None:
    books = sorted(notebooks.glob("*.ipynb"))

    assert books
    assert [book.stem for book in books] == sorted(twin.stem for twin in notebooks.glob("*.md"))
    for book in books:
        assert cells(book) == cells(book.with_suffix(".md")), f"run `jupytext --sync {book.with_suffix('.md')}`"


def test_notebooks_are_kept_without_outputs(notebooks: Path) -> None:
    kept = [
        (path.name, cell["id"])
        for path in notebooks.glob("*.ipynb")
        for cell in read_json(path)["cells"]
        if cell.get("outputs") or cell.get("execution_count")
    ]

    assert kept == []


def test_the_notebook_uses_no_private_name(notebooks: Path) -> None:
    code = "\n".join(text for kind, text in cells(notebooks / "red_agent.md") if kind == "code")

    assert "gamefleet._" not in code
    assert "import _" not in code


@pytest.mark.long
def test_the_notebook_trains_resumes_draws_and_shows_a_film(notebooks: Path, paths: RunPaths) -> None:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(notebooks / "red_agent.ipynb", as_version=4)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(notebooks)}}).execute()

    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    kinds = {kind for output in outputs if "data" in output for kind in output.data}
    films = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert said.count("all steps are done") == 2
    assert "resuming" in said
    assert "image/png" in kinds
    assert [len(film) > 10_000 for film in films if "data:video/mp4" in film] == [True]
    assert read_json(paths.state)["step"] >= 800


@pytest.mark.long
def test_interrupting_a_cell_of_the_notebook_saves_and_the_same_cell_goes_on(
    kernel: tuple[Any, Any], notebooks: Path, paths: RunPaths
) -> None:
    manager, client = kernel
    code = [text for kind, text in cells(notebooks / "red_agent.md") if kind == "code"]
    settings = next(text for text in code if "def gamefleet" in text)
    training = next(text for text in code if '"--auto-resume"' in text)
    client.execute_interactive(f"{settings}\nSTEPS = {NEVER_ENDS}", timeout=300, output_hook=ignore)

    stopped_at = [interrupted(manager, client, training, paths) for _ in range(2)]

    assert 0 < stopped_at[0] < stopped_at[1]


def interrupted(manager: Any, client: Any, code: str, paths: RunPaths) -> int:
    """Run a cell, press stop once a checkpoint beyond the last one is there, and return the step that was saved."""
    before = newest_step(paths)
    request = client.execute(code)
    until(lambda: newest_step(paths) > before, "a checkpoint", poll_s=0.2)
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=300)
    while reply["parent_header"]["msg_id"] != request:
        reply = client.get_shell_msg(timeout=300)
    state = read_json(paths.state)
    assert reply["content"]["status"] == "ok"
    assert (state["status"], state["reason"]) == ("stopped", "signal SIGINT")
    assert not holder_alive(paths)
    return int(state["step"])


def newest_step(paths: RunPaths) -> int:
    return max((step for step, _ in paths.found_checkpoints()), default=0)


def ignore(message: dict[str, Any]) -> None:
    """Outputs are not needed."""
