"""Tiny pipelines of the diffusers classes that recipes name: the real transformer or UNet, VAE and text encoders, built
from their configs with random weights, and saved as the hub has them. They render noise, but by the real code.

What a pipeline reads of a config is as published: the factor between latents and pixels, the layers of a language model
whose hidden states are asked for, the scheduler's shift, the VAE's scale.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.tiny_models import tokenizer

WORDS = ["a", "red", "blue", "circle", "square", "in", "the", "snow", "user", "assistant", "system"]
HIDDEN = 16  # the width of the text encoders
ROTATED = (4, 6, 6)  # how a head of 16 is divided among the axes of a rotary embedding
WIDTHS = (8, 8, 8, 8)  # of a VAE whose latents are 8 times smaller than the picture


def z_image(folder: Path) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    tokens = _chatting(_tokenizer(512))
    transformer = ZImageTransformer2DModel(
        dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=HIDDEN, axes_dims=ROTATED
    )
    return _saved(
        folder,
        ZImagePipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_drawn(_vae(16, 0.3611, 0.1159)),
        text_encoder=_drawn(Qwen3Model(Qwen3Config(**_language_model(tokens, layers=2)))),
        tokenizer=tokens,
        transformer=_drawn(transformer),
    )


def flux_2_klein(folder: Path) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokens = _chatting(_tokenizer(512))
    language_model = Qwen3Config(**_language_model(tokens, layers=28))  # the states 9, 18 and 27 are the text
    return _saved(
        folder,
        Flux2KleinPipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_drawn(_flux_2_vae()),
        text_encoder=_drawn(Qwen3ForCausalLM(language_model)),
        tokenizer=tokens,
        transformer=_drawn(_flux_2_transformer(guidance_embeds=False)),
        is_distilled=True,
    )


def flux(folder: Path) -> Path:
    """As FLUX.1-schnell: a transformer that takes no guidance."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    clip, t5 = _tokenizer(77), _tokenizer(256)
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=HIDDEN,
        pooled_projection_dim=HIDDEN,
        guidance_embeds=False,
        axes_dims_rope=ROTATED,
    )
    return _saved(
        folder,
        FluxPipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=_drawn(_vae(16, 0.3611, 0.1159)),
        text_encoder=_clip(clip),
        tokenizer=clip,
        text_encoder_2=_t5(t5),
        tokenizer_2=t5,
        transformer=_drawn(transformer),
    )


def qwen_image(folder: Path) -> Path:
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokens = _tokenizer(1024)
    # The pipeline cuts 34 tokens off, the beginning of its template, which these three are part of.
    tokens.add_tokens(["<|im_start|>", "<|im_end|>", "\n"], special_tokens=True)
    text = _language_model(tokens, layers=1)
    config = Qwen2_5_VLConfig(
        text_config=text | {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
        vision_config={
            "depth": 1,
            "hidden_size": HIDDEN,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
        },
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=64,
        out_channels=16,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=HIDDEN,
        axes_dims_rope=ROTATED,
    )
    return _saved(
        folder,
        QwenImagePipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
        ),
        vae=_drawn(AutoencoderKLQwenImage(base_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1)),
        text_encoder=_drawn(Qwen2_5_VLForConditionalGeneration(config)),
        tokenizer=tokens,
        transformer=_drawn(transformer),
    )


def lumina_2(folder: Path) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Pipeline, Lumina2Transformer2DModel

    tokens = _tokenizer(256)
    transformer = Lumina2Transformer2DModel(
        sample_size=16,
        hidden_size=32,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        axes_dim_rope=ROTATED,
        cap_feat_dim=HIDDEN,
    )
    return _saved(
        folder,
        Lumina2Pipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=_drawn(_vae(16, 0.3611, 0.1159)),
        text_encoder=_gemma(tokens),
        tokenizer=tokens,
        transformer=_drawn(transformer),
    )


def sana(folder: Path) -> Path:
    """Its VAE's latents are 32 times smaller than the picture."""
    from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel

    tokens = _tokenizer(300)
    blocks = ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3
    widths, layers = (8,) * 6, (1,) * 6
    vae = AutoencoderDC(
        latent_channels=8,
        attention_head_dim=8,
        encoder_block_types=blocks,
        decoder_block_types=blocks,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=layers,
        decoder_layers_per_block=layers,
        upsample_block_type="interpolate",
        downsample_block_type="Conv",
        scaling_factor=0.41407,
    )
    transformer = SanaTransformer2DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=HIDDEN,
        sample_size=32,
    )
    return _saved(
        folder,
        SanaPipeline,
        tokenizer=tokens,
        text_encoder=_gemma(tokens),
        vae=_drawn(vae),
        transformer=_drawn(transformer),
        scheduler=DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
    )


def stable_diffusion_xl(folder: Path) -> Path:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    first, second = _tokenizer(77), _tokenizer(77)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=1,
        attention_head_dim=2,
        use_linear_projection=True,
        cross_attention_dim=2 * HIDDEN,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + HIDDEN,  # six numbers (sizes and a crop), and the pooled text
    )
    return _saved(
        folder,
        StableDiffusionXLPipeline,
        vae=_drawn(_vae(4, 0.13025)),
        text_encoder=_clip(first),
        text_encoder_2=_clip(second, projected=True),
        tokenizer=first,
        tokenizer_2=second,
        unet=_drawn(unet),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
    )


def stable_diffusion_3(folder: Path) -> Path:
    """As 3.5-large: normalised queries and keys, no block of dual attention."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    first, second, third = _tokenizer(77), _tokenizer(77), _tokenizer(256)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        num_layers=2,  # the last one is another: it gives no text on
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=2 * HIDDEN,
        caption_projection_dim=32,
        pooled_projection_dim=2 * HIDDEN,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    )
    return _saved(
        folder,
        StableDiffusion3Pipeline,
        transformer=_drawn(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_drawn(_vae(16, 1.5305, 0.0609)),
        text_encoder=_clip(first, projected=True),
        tokenizer=first,
        text_encoder_2=_clip(second, projected=True),
        tokenizer_2=second,
        text_encoder_3=_t5(third, 2 * HIDDEN),
        tokenizer_3=third,
    )


def flux_2(folder: Path) -> Path:
    """As FLUX.2-dev: the text goes through a vision-language model's processor."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2Pipeline
    from transformers import (
        Mistral3Config,
        Mistral3ForConditionalGeneration,
        MistralConfig,
        PixtralImageProcessor,
        PixtralProcessor,
        PixtralVisionConfig,
    )

    tokens = _tokenizer(512)
    tokens.add_tokens(["[IMG]", "[IMG_BREAK]", "[IMG_END]"], special_tokens=True)
    template = "{% for m in messages %}{{ m['role'] }} {% for part in m['content'] %}{{ part['text'] }} {% endfor %}{% endfor %}"
    config = Mistral3Config(
        text_config=MistralConfig(**_language_model(tokens, layers=30)),  # the states 10, 20 and 30 are the text
        vision_config=PixtralVisionConfig(
            hidden_size=HIDDEN,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        ),
        image_token_index=tokens.convert_tokens_to_ids("[IMG]"),
    )
    return _saved(
        folder,
        Flux2Pipeline,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_drawn(_flux_2_vae()),
        text_encoder=_drawn(Mistral3ForConditionalGeneration(config)),
        tokenizer=PixtralProcessor(PixtralImageProcessor(), tokens, chat_template=template),
        transformer=_drawn(_flux_2_transformer(guidance_embeds=True)),
    )


def _saved(folder: Path, pipeline: type, **components: Any) -> Path:
    pipe: Any = pipeline(**components)
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def _drawn(net: Any, seed: int = 0) -> Any:
    """The net with weights far from the careful start, where gates are zero: the text and the seed shape the picture.

    Norms stay as they are. Seeded, so that a builder always makes the same pipeline.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1, generator=generator)
    return net


def _tokenizer(length: int) -> Any:
    from transformers import PreTrainedTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        return PreTrainedTokenizerFast.from_pretrained(tokenizer(Path(folder), WORDS, length))


def _chatting(tokens: Any) -> Any:
    tokens.chat_template = (
        "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}"
    )
    return tokens


def _language_model(tokens: Any, layers: int) -> dict[str, Any]:
    return {
        "vocab_size": len(tokens),
        "hidden_size": HIDDEN,
        "intermediate_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 2048,
        "pad_token_id": tokens.pad_token_id,
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
    }


def _gemma(tokens: Any) -> Any:
    from transformers import Gemma2Config, Gemma2Model

    return _drawn(Gemma2Model(Gemma2Config(**_language_model(tokens, layers=2))))


def _clip(tokens: Any, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=HIDDEN,
        intermediate_size=16,
        projection_dim=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        pad_token_id=tokens.pad_token_id,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
    )
    return _drawn((CLIPTextModelWithProjection if projected else CLIPTextModel)(config))


def _t5(tokens: Any, width: int = HIDDEN) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=len(tokens),
        d_model=width,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokens.pad_token_id,
        eos_token_id=tokens.eos_token_id,
    )
    return _drawn(T5EncoderModel(config))


def _vae(channels: int, scale: float, shift: float | None = None) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=WIDTHS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        norm_num_groups=4,
        scaling_factor=scale,
        shift_factor=shift,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
    )


def _flux_2_vae() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(block_out_channels=WIDTHS, layers_per_block=1, latent_channels=8, norm_num_groups=4)


def _flux_2_transformer(guidance_embeds: bool) -> Any:
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        in_channels=4 * 8,  # a patch of 2 x 2 of the VAE's latents
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * HIDDEN,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )
