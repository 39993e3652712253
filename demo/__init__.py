"""The embedded default: a world of drawn scenes, and the scripts that train the tiny models of conf/demo.yaml on it."""
