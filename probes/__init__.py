"""Ask one provider one question; say in one value how it went. Imports nothing of ours."""
