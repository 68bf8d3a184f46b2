import pytest
import torch

from gamefleet.models.heads import QHead, QHeads


def test_a_dueling_head_is_value_plus_centred_advantages() -> None:
    head = QHead(6, 4, hidden_size=5, dueling=True)
    features = torch.randn(3, 6)
    assert head.hidden is not None
    assert head.value is not None
    streams = torch.relu(features @ head.hidden.weight.T + head.hidden.bias)
    advantages = head.advantage(streams[:, :5])
    value = head.value(streams[:, 5:])
    torch.testing.assert_close(head(features), value + advantages - advantages.mean(dim=1, keepdim=True))
    torch.testing.assert_close(head(features).mean(dim=1, keepdim=True), value)


@pytest.mark.parametrize("hidden_size", [0, 5])
@pytest.mark.parametrize("dueling", [True, False])
def test_heads_are_stacked_before_the_actions_and_share_nothing(hidden_size: int, dueling: bool) -> None:
    heads = QHeads(6, 4, num_heads=2, hidden_size=hidden_size, dueling=dueling)
    features = torch.randn(2, 3, 6)
    q = heads(features)
    assert q.shape == (2, 3, 2, 4)
    torch.testing.assert_close(q[:, :, 1], heads.heads[1](features))
    q[:, :, 0].sum().backward()
    assert not any(parameter.grad.any() for parameter in heads.heads[1].parameters())
