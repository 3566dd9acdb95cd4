"""Who may speak at a connector's other end: OpenAI's protocol, or one of those that LiteLLM speaks under our rules.

LiteLLM knows a hundred more. Many of them find credentials by themselves, in the environment of the worker or at a
cloud's metadata service, and so would spend the operator's; others bring a client of their own, which keeps to no
policy. A test holds those named here to their key and to our client.
"""

NATIVE = "openai"
"""The provider that is asked without LiteLLM."""
FOREIGN = (
    "anthropic",
    "cohere",
    "cohere_chat",
    "deepseek",
    "fireworks_ai",
    "gemini",
    "groq",
    "mistral",
    "openrouter",
    "together_ai",
    "xai",
)
REMEDY = f"must be {NATIVE}, for every OpenAI-compatible endpoint, or one of {', '.join(FOREIGN)}"
