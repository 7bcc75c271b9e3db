"""The dialects of OpenAI: Chat Completions, Responses, Azure OpenAI, and what they share."""
