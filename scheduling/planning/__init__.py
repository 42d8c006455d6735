"""One scheduling pass: order the jobs, fit, reserve, backfill, preempt, explain.

May import every room but forecast. The way in is `plan.make_plan(snapshot, now)`; `cycle_state` is what the pass keeps in mind.
Words: *eligibility* (what holds a job back before nodes are looked at), *reservation*, *backfill*, *victim*, *unschedulable*.
"""
