"""`make bench`, with nothing else running: scoring, shards, a language model's endpoint, planning a resume, the grammar,
de-duplication; against named baselines in the same run where there are any.
"""
