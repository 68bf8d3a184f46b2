"""From what a model wrote to a skill that may be verified.

Job: find the JSON, read it as a skill, and refuse at once what the model can mend without anybody looking at the world:
a name that is taken, a dependency that nobody knows. Place in the data flow: `client` and `replayed` -> here ->
verification. Left out: whether the skill makes sense (`verify`).
"""

from __future__ import annotations

from gamefleet.errors import nearest
from gamefleet.skills.client_answer import find_object
from gamefleet.skills.proposer import ProposalContext
from gamefleet.skills.skill import Skill, SkillRefusedError


def read_skill(text: str, context: ProposalContext, max_dependencies: int) -> Skill:
    """Read an answer.

    Args:
        text: What the model wrote.
        context: What it was asked.
        max_dependencies: How many skills a skill may directly build on.

    Raises:
        SkillRefusedError: It is no skill, or not a fresh one; the text is fit for the model and for a terminal.
    """
    value = find_object(text)
    if value is None:
        raise SkillRefusedError("The answer holds no JSON object", remedy="Answer with one JSON object, in full.")
    skill = Skill.from_json(value)
    known = [one.skill.name for one in context.known]
    if skill.name in known:
        raise SkillRefusedError("There is a skill of that name", value=skill.name, remedy="Propose another one.")
    if any(one.skill == skill.as_json() for one in context.rejections):
        raise SkillRefusedError("Refused before", value=skill.name, remedy="Change what was named, or propose another.")
    for name in skill.depends_on or ():
        if name not in known:
            raise SkillRefusedError("Unknown skill", value=name, where="depends_on", remedy=nearest(name, known))
    if len(skill.depends_on or ()) > max_dependencies:
        raise SkillRefusedError(f"Builds on more than {max_dependencies} skills", where="depends_on")
    return skill
