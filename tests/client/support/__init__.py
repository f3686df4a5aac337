"""What the tests of the client share: a scripted server, made-up videos, a clock."""
