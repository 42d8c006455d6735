"""The fault drill: real jobs on a real platform while its parts are killed, and proof afterwards that nothing went wrong."""
