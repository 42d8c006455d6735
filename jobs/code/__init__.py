"""Code that jobs bring along: folders as manifests, the blobs of their files in the storage, and what of it is forgotten.

May import state, storage and models. Words: *snapshot* (a folder as it was, never changed; a planner's snapshot is another
thing), *manifest* (its files by name), *blob* (the content of a file, or of a part of a large one), *pack* (an object with
many blobs).
"""
