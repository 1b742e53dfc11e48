"""Checks of an exported model: is it what it says it is?"""
