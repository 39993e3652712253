"""Recipes, taxonomies and policies: typed, frozen, checked on load. See conf/recipe.py for the whole shape."""
