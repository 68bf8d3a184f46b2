"""A skill is data: what it asks for, what it leaves behind, and two expressions that say when it does well.

Job: everything about skills that needs no game and no cluster: the expression language, skills and worlds as types,
what depends on what, the text for people, the checks before training, and who proposes skills. Place in the data flow:
proposer -> verification -> scheduler -> trainer. Left out: games (`games`), training (`topologies`), scheduling
(`cluster`). Nothing here imports JAX or torch when it is imported.
"""
