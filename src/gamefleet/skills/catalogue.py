"""The embedded proposer: it walks the achievement table of the world, and needs no network.

Job: propose the next fact that is worth learning, with amounts that the rest of the chain needs; after a failure an
easier version of it, or another way around it. Place in the data flow: a `Proposer`. Left out: the order of facts
(`catalogue_tree`), how a skill is written (`catalogue_skill`), whether it is accepted (`verify`).

It keeps nothing in mind: everything follows from the question, so that a restart goes on as if there had been none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gamefleet.skills.catalogue_skill import Draft, can_be_harder, lacking, write_skill
from gamefleet.skills.catalogue_tree import FactTree, conditions, is_met_at_start, is_passing, make_tree
from gamefleet.skills.dependencies import holdings_after, plan_of
from gamefleet.skills.proposer import KnownSkill, Proposal, ProposalContext
from gamefleet.skills.skill import NAME_PATTERN, Skill
from gamefleet.skills.world import Fact

LOST = frozenset({"failed", "blocked", "rejected", "cancelled"})
"""What became of skills on which nothing can be built any more."""

SHORTEST_HORIZON = 6
"""Facts that are planned for, at least: amounts for fewer are so small that random play reaches them."""

MAX_VERSIONS = 3
"""How often a fact is proposed: as planned, then easier or harder."""


class CatalogueProposer:
    """Proposes a world's own facts, each when its turn comes."""

    def propose(self, context: ProposalContext) -> Proposal:
        """The next skill; raises nothing. See `Proposer.propose`."""
        tree = make_tree(context.world)
        left = tree.needs_after(max(SHORTEST_HORIZON, len(context.known) + context.wanted))
        walk = _Walk(context=context, tree=tree, left=left, usable=_usable(context.known))
        skills = (walk.next_step(fact) for fact in tree.order if not walk.is_done(fact))
        skill = next((found for found in skills if found is not None), None)
        if skill is None:
            text = f"the catalogue of {context.world.name} holds nothing more that can be built on what there is"
            return Proposal(skill=None, text=text, is_exhausted=True)
        return Proposal(skill=skill, text=f"the catalogue's next: {skill.description}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """One look at the graph.

    Args:
        context: The question.
        tree: The world's facts.
        left: What has to be left after each fact.
        usable: The skills that can be built on, in the order of the graph.
    """

    context: ProposalContext
    tree: FactTree
    left: Mapping[str, Mapping[str, float]]
    usable: tuple[KnownSkill, ...]

    def is_done(self, fact: Fact) -> bool:
        """Whether a skill of the graph already leads to this, whatever it is called."""
        main = {name: least for name, least in fact.gain.items() if not name.startswith("did_")} or fact.gain
        return any(all(one.skill.gain.get(name, 0.0) >= least for name, least in main.items()) for one in self.usable)

    def next_step(self, fact: Fact) -> Skill | None:
        """The skill of a fact, or one that gets what the fact would lack; None where it cannot be learned here."""
        depends_on = self._dependencies(fact)
        if depends_on is None:
            return None
        missing = lacking(fact, self.context.world, self._holdings(depends_on))
        if not missing:
            return self._write(fact, depends_on, self.left[fact.name])
        supplier = self._supplier(next(iter(missing)))
        below = None if supplier is None else self._dependencies(supplier)
        if supplier is None or below is None:
            return None
        needed = conditions(fact)
        used_up = {name for name in {**fact.consumes, **self.left[fact.name]} if not is_passing(name)}
        left = {name: needed.get(name, 0.0) + self.left[fact.name].get(name, 0.0) for name in sorted(used_up)}
        return self._write(supplier, self._join((*depends_on, *below)), left)

    def _write(self, fact: Fact, depends_on: tuple[str, ...], left: Mapping[str, float]) -> Skill | None:
        known = {one.skill.name for one in self.context.known}
        lost = known - {one.skill.name for one in self.usable}
        known |= set(self.context.taken_names)
        refused = {str(one.skill.get("name", "")) for one in self.context.rejections} - known
        tries, easier, harder = (self._versions(fact, names) for names in (known | refused, lost, refused))
        name = f"{fact.name}_{tries + 1}" if tries else fact.name
        has_given_up = easier + harder >= MAX_VERSIONS or len(depends_on) > self.context.max_dependencies
        is_same = harder > 0 and not can_be_harder(fact, self.context.world, harder)
        if has_given_up or is_same or not NAME_PATTERN.fullmatch(name):
            return None
        holdings = self._holdings(depends_on)
        draft = Draft(
            fact=fact, name=name, depends_on=depends_on, holdings=holdings, left=left, easier=easier, harder=harder
        )
        return write_skill(draft, self.context.world)

    def _versions(self, fact: Fact, names: Iterable[str]) -> int:
        return sum(_fact_name(name, self.tree) == fact.name for name in names)

    def _plan(self, names: Iterable[str]) -> list[Skill]:
        """The skills that are played before one that builds on these, in their order."""
        edges = {known.skill.name: known.dependencies for known in self.usable}
        wanted = {step for name in names for step in plan_of(name, edges)}
        return [known.skill for known in self.usable if known.skill.name in wanted]

    def _holdings(self, names: Iterable[str]) -> dict[str, float]:
        plan = self._plan(names)
        holdings = holdings_after(plan, self.context.world)
        here = plan[-1].gain if plan else {}
        return {name: 0.0 if is_passing(name) and name not in here else have for name, have in holdings.items()}

    def _dependencies(self, fact: Fact) -> tuple[str, ...] | None:
        """The fewest skills whose plans together meet the conditions of a fact; None where there are none.

        Of what is used up less may be left than is needed; then more has to be gathered.
        """
        chosen: tuple[str, ...] = ()
        for feature, least in sorted(conditions(fact).items(), key=lambda item: item[0] in fact.consumes):
            is_met = any(skill.gain.get(feature, 0.0) >= least for skill in self._plan(chosen))
            if not is_met and not is_met_at_start(self.context.world, feature, least):
                able = self._able(feature, least)
                if not able:
                    return None
                chosen = self._join((*chosen, able[0]))
        for feature, least in lacking(fact, self.context.world, self._holdings(chosen)).items():
            joined = (self._join((*chosen, name)) for name in self._able(feature, least))
            enough = (names for names in joined if self._holdings(names).get(feature, 0.0) >= least)
            chosen = next(enough, chosen)
        return chosen

    def _able(self, feature: str, least: float) -> list[str]:
        return [known.skill.name for known in self.usable if known.skill.gain.get(feature, 0.0) >= least]

    def _supplier(self, feature: str) -> Fact | None:
        """The fact by which more of a thing is had."""
        return next((fact for fact in self.tree.order if fact.gives.get(feature, 0.0) > 0), None)

    def _join(self, names: Iterable[str]) -> tuple[str, ...]:
        """Skills in the order of the graph, without those that others of them build on anyway."""
        chosen = set(names)
        implied = {skill.name for name in chosen for skill in self._plan((name,)) if skill.name != name}
        return tuple(known.skill.name for known in self.usable if known.skill.name in chosen - implied)


def _usable(known: Iterable[KnownSkill]) -> tuple[KnownSkill, ...]:
    """The skills that are trained or may still be: neither they nor what they build on is lost."""
    names: set[str] = set()
    usable = []
    for one in known:
        if one.status not in LOST and names.issuperset(one.dependencies):
            names.add(one.skill.name)
            usable.append(one)
    return tuple(usable)


def _fact_name(name: str, tree: FactTree) -> str | None:
    """The fact that a skill's name stands for: `Collect_Wood_2` is a version of `Collect_Wood`."""
    names = {fact.name for fact in tree.order}
    head, _, tail = name.rpartition("_")
    return name if name in names else head if tail.isdigit() and head in names else None
