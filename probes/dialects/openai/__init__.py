"""The dialects of OpenAI: Chat Completions, Responses, Azure OpenAI, and what they share.

In and out: as for every dialect (`probes.dialects.base`); compatible providers use `chat`, with a preset or without.
"""
