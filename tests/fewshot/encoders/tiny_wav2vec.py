"""A network of wav2vec 2.0's layout, small enough for tests."""

from pathlib import Path

import torch

WIDTH, BLOCKS = 32, 2


def tiny_model(aux_num_out: int | None = None) -> torch.nn.Module:
    """torchaudio's class with random weights, in evaluation mode."""
    from torchaudio.models import wav2vec2_model

    kernels = zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return wav2vec2_model(
            extractor_mode="group_norm",
            extractor_conv_layer_config=[(8, kernel, stride) for kernel, stride in kernels],
            extractor_conv_bias=False,
            encoder_embed_dim=WIDTH,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=16,
            encoder_pos_conv_groups=4,
            encoder_num_layers=BLOCKS,
            encoder_num_heads=1,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=48,
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=False,
            encoder_layer_drop=0.0,
            aux_num_out=aux_num_out,
        ).eval()


def tiny_file(path: Path) -> Path:
    """A file of its weights."""
    torch.save(tiny_model().state_dict(), path)
    return path
