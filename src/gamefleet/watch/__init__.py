"""What people look at while a run goes on: pages, curves, maps, the state in a sentence.

Everything here reads run folders and may crash freely; no run waits for it or needs it.
"""
