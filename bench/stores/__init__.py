"""Stores of conversations as their users use them, each a module with a class `Store`.

store = Store(folder)               # nothing slow happens here
await store.open()
await store.turn("s1", 7, asked, answered)      # keep what was asked, read 20, keep the answer
await store.fill("long", 1_000_000, text)       # so many messages in one conversation
await store.last("long", 20)                    # the texts of the newest, oldest first
await store.close()
"""
