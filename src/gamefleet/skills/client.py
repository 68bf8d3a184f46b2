"""The proposer that asks a language model, hosted or local, over the interface that they all share.

Job: one proposal: the question from the prompts, the answer from the cache or the line, another question where the
answer is no skill. Place in the data flow: a `Proposer`. Left out: the line (`client_line`), reading a skill
(`client_skill`), verification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gamefleet.skills.cache import answer_key
from gamefleet.skills.client_answer import Answer
from gamefleet.skills.client_line import ModelLine
from gamefleet.skills.client_skill import read_skill
from gamefleet.skills.cost import BudgetSpentError
from gamefleet.skills.dialect import Question, make_request
from gamefleet.skills.prompts import Prompts
from gamefleet.skills.proposer import Proposal, ProposalContext, Usage, plain
from gamefleet.skills.skill import Skill, SkillRefusedError, skill_schema

MOST_QUOTED = 2000
"""Characters of an unusable answer that are shown to the model again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """How a model is asked.

    Args:
        max_answer_tokens: Most tokens of one answer; models that reason need thousands.
        max_repairs: How often an answer that is no skill is sent back.
        temperature: None leaves it to the server; OpenAI's reasoning models allow nothing else.
    """

    max_answer_tokens: int = 8000
    max_repairs: int = 3
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIProposer:
    """Asks a model for skills; one thread at a time.

    Args:
        line: To the model.
        settings: How it is asked.
        prompts: In which words.
    """

    line: ModelLine
    settings: ModelSettings
    prompts: Prompts

    def propose(self, context: ProposalContext) -> Proposal:
        """Ask for a skill, and again with the reasons while the answer is none. See `Proposer.propose`."""
        messages = self.prompts.messages(context)
        before = self.line.meter.spent
        reason = ""
        try:
            for _ in range(self.settings.max_repairs + 1):
                found = self._consider(messages, context)
                if isinstance(found, Skill):
                    return Proposal(
                        skill=found,
                        text=plain(found.description),
                        usage=self.taken_since(before),
                        max_dependencies=self.prompts.dependency_limit(context),
                    )
                text, reason = found
                messages.append({"role": "assistant", "content": text[:MOST_QUOTED] or "(nothing)"})
                messages.append(self.prompts.complaint([reason]))
        except BudgetSpentError as error:
            return Proposal(skill=None, text=plain(str(error)), usage=self.taken_since(before), is_exhausted=True)
        text = f"{self.settings.max_repairs + 1} answers in a row were no skill, the last one because: {reason}"
        return Proposal(skill=None, text=plain(text), usage=self.taken_since(before))

    def _consider(self, messages: list[dict[str, str]], context: ProposalContext) -> Skill | tuple[str, str]:
        """One answer: the skill in it, or what it was and why it is none."""
        question = Question(
            model=self.line.model,
            messages=tuple(messages),
            schema=skill_schema(context.world, allows_python=context.allows_python),
            max_tokens=self.settings.max_answer_tokens,
            temperature=self.settings.temperature,
        )
        kept = self.line.cache.answer(self._key(question))
        if kept is not None:
            self.line.note(kept, Usage(), is_cached=True)
        answer = Answer(text=kept, finish="stop") if kept is not None else self.line.answer(question)
        try:
            skill = read_skill(answer.text, context, self.prompts.dependency_limit(context))
        except SkillRefusedError as error:
            cut = "It was cut for its length: answer shorter. " if answer.finish == "length" else ""
            return answer.text, plain(f"{cut}{error}")
        if kept is None:  # what is no skill is asked for again another time
            self._keep(question, answer)
        return skill

    def _key(self, question: Question) -> str:
        dialect = self.line.dialect()
        request: Mapping[str, Any] = make_request(question, dialect)
        return answer_key(
            base_url=self.line.endpoint.base_url, dialect=dialect, request=request, schema=question.schema
        )

    def _keep(self, question: Question, answer: Answer) -> None:
        usage = {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out}
        request = make_request(question, self.line.dialect())
        self.line.cache.keep_answer(self._key(question), answer.text, request, usage)

    @property
    def spent(self) -> Usage:
        """What the run has taken so far, also what was taken in vain."""
        return self.line.meter.spent

    def taken_since(self, before: Usage) -> Usage:
        """What was taken since `spent` was that."""
        spent = self.line.meter.spent
        cost = None if spent.cost is None else spent.cost - (before.cost or 0.0)
        return Usage(
            tokens_in=spent.tokens_in - before.tokens_in,
            tokens_out=spent.tokens_out - before.tokens_out,
            cost=cost,
            requests=spent.requests - before.requests,
            is_estimated=spent.is_estimated,
        )
