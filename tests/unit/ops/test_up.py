"""What `make up` writes into the sandbox's configuration."""

from ops.up import with_sandbox_values


def test_a_new_stack_gets_the_sandbox_s_choices_and_its_phase() -> None:
    config = with_sandbox_values({}, {"phase": 2})["config"]
    assert config["supabase-platform:phase"] == 2
    assert config["supabase-platform:protect"] is False


def test_the_numbers_of_rotated_secrets_and_the_encryption_survive() -> None:
    rotations = {"supabase-platform:rotations": {"jwt_secret": 2}, "supabase-platform:phase": 1}
    document = with_sandbox_values({"encryptionsalt": "v1:x", "config": rotations}, {"phase": 3})
    assert document["encryptionsalt"] == "v1:x"
    assert document["config"]["supabase-platform:rotations"] == {"jwt_secret": 2}
    assert document["config"]["supabase-platform:phase"] == 3
