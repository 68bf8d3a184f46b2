"""`gamefleet replays`: recorded battles, from where they can be had to files that are trained on.

Job: one table of sub-commands. Place in the data flow: download or generate, then parse, then `gamefleet train`. Left
out: what they do.
"""

from __future__ import annotations

import typer

from gamefleet.cli import replays_download, replays_generate, replays_parse, replays_show

app = typer.Typer(no_args_is_help=True, help="Get recorded battles and make training data of them.")
app.command("download")(replays_download.download)
app.command("generate")(replays_generate.generate)
app.command("parse")(replays_parse.parse)
app.command("show")(replays_show.show)
