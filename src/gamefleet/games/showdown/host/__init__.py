"""The Pokémon Showdown simulator as a process that plays many battles.

Job: hold what belongs to that process: how to install it, its JavaScript, and the Python end of its pipe. Place in the
data flow: under everything that plays battles. Left out: what battles mean.
"""
