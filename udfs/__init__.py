"""What runs on executors: the Arrow harness, the codec, and the models' specs. Heavy packages are imported inside
load() only.
"""
