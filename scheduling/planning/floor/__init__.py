"""A floor under every wait: plain backfilling runs in the shadow, and nobody may fall behind what it would have done for him.

`follow` is the way in: it plays the shadow on (`shadow`), finds which machine stands for which of its nodes (`stand_ins`), and makes
way for those whose turn has come (`turns`). What the shadow had to learn is in `admission` (who cannot be stopped here runs there too)
and `obstacles` (who cannot start here does not there). May import what planning may, and of planning all but `plan`.
Words: *shadow* (EASY with the same jobs), *ahead* (more work done than there), *due* (its turn has come: it must run now), *opportunistic* (started before its turn).
"""
