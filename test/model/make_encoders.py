"""Encoders that classify as transformers computes them and TRL's RewardTrainer trains them: the figures in test/fixtures/encoders.json.

    python test/model/make_encoders.py test/fixtures/encoders.json

The models have two layers; their weights come from a congruential generator that the tests repeat, so that they need not be
kept. Logits and gradients are in float64; trainings (AdamW, linear schedule, clipping at 1) and pipelines in float32.
"""
import json
import os
import sys
import tempfile

# This file's own folder must not stand in for the library.
sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")

import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from tokenizers import ByteLevelBPETokenizer, BertWordPieceTokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertTokenizer, DistilBertConfig, RobertaConfig, RobertaTokenizer, pipeline

from congruential import Congruential, seed_of

[out] = sys.argv[1:]
disable_progress_bars()
torch.set_num_threads(1)

SCALE = 0.3
BATCH = 4
STEPS = 8
METRICS = ["loss", "grad_norm", "accuracy", "margin", "mean_reward", "min_reward", "max_reward", "num_tokens"]
CORPUS = ["the sea is calm tonight", "what a splendid day it was", "that was a dreadful, dreadful film", "is the sea calm or is it splendid?", "she said that it was dreadful", "nothing is as calm as the sea at night"]
TEXTS = [
    "The sea is calm.", "What a SPLENDID day, wasn't it?", "dreadful", "Ein längerer Satz: naïve café, 42 Æsir 🍂 and 海 too.", "tabs\tand\nlines  and   spaces ", "[SEP] is written out, <s> and </s> too", "unknown\u0000 \ufffd glyphs \u200b here",
]
PAIR = {"text": "Is the sea calm?", "text_pair": "It was splendid, that night."}


def with_weights(model):
    for name, parameter in model.named_parameters():
        draws = Congruential(seed_of(name))
        is_scale = "norm" in name.lower() and name.endswith("weight")
        parameter.data = torch.tensor([draws.next() * SCALE + is_scale for _ in range(parameter.numel())], dtype=torch.float64).reshape(parameter.shape).float()
    return model.eval()


def word_pieces(folder, **options):
    trained = BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(CORPUS, vocab_size=120, min_frequency=1, show_progress=False)
    BertTokenizer(vocab=trained.get_vocab(), model_max_length=32, **options).save_pretrained(folder)


def byte_pairs(folder):
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=300, min_frequency=1, show_progress=False, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    state = json.loads(trained.to_str())["model"]
    RobertaTokenizer(vocab=state["vocab"], merges=[tuple(merge) for merge in state["merges"]], model_max_length=32).save_pretrained(folder)


DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
FAMILIES = {
    "bert": (word_pieces, lambda vocab, **kw: BertConfig(vocab_size=vocab, max_position_embeddings=40, **SIZES, **DROPOUT, **kw), 3),
    "distilbert": (lambda folder: word_pieces(folder, model_input_names=["input_ids", "attention_mask"]), lambda vocab, **kw: DistilBertConfig(vocab_size=vocab, max_position_embeddings=40, dim=32, n_layers=2, n_heads=4, hidden_dim=48, activation="relu", dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0, **kw), 10),
    "roberta": (byte_pairs, lambda vocab, **kw: RobertaConfig(vocab_size=vocab, max_position_embeddings=120, type_vocab_size=1, layer_norm_eps=1e-5, **SIZES, **DROPOUT, **kw), 1),
}


def built(config):
    return with_weights(AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa"))


def figures(tokenizer, config, paired):
    """Logits and gradients of mean(logits²), of texts padded on the right, in float64."""
    model = built(config).double()
    texts = TEXTS[:3]
    batch = tokenizer(texts, texts[::-1], padding=True, return_tensors="pt") if paired else tokenizer(texts, padding=True, return_tensors="pt")
    logits = model(**batch).logits
    loss = (logits**2).mean()
    loss.backward()
    flat = {name: parameter.grad.flatten() for name, parameter in model.named_parameters()}
    return {
        **{name: values.tolist() for name, values in batch.items()}, "logits": logits.tolist(), "loss": loss.item(),
        "gradients": {name: {"norm": grad.norm().item(), "every": max(1, len(grad) // 8), "values": grad[:: max(1, len(grad) // 8)].tolist()} for name, grad in flat.items()},
    }


def piped(folder, **config):
    classify = pipeline("text-classification", model=folder, tokenizer=folder, device="cpu")
    for name, value in config.items():
        setattr(classify.model.config, name, value)
    calls = [{}, {"top_k": None}, {"top_k": 2, "function_to_apply": "none"}, {"top_k": 1, "function_to_apply": "softmax"}, {"function_to_apply": "sigmoid"}]
    texts = TEXTS[:4]
    result = [{"config": config, "options": options, "texts": texts, "scores": classify(texts, **options)} for options in (calls if not config else calls[:2])]
    if not config:
        result.append({"config": {}, "options": {}, "texts": texts[0], "scores": classify(texts[0])})
        result.append({"config": {}, "options": {"top_k": None}, "texts": texts[0], "scores": classify(texts[0], top_k=None)})
        result.append({"config": {}, "options": {"truncation": True}, "texts": [" ".join(CORPUS)], "scores": classify([" ".join(CORPUS)], truncation=True)})
        result.append({"config": {}, "options": {"top_k": None}, "texts": [PAIR], "scores": classify([PAIR], top_k=None)})
    return result


def pairs(count, draws, special, vocab):
    """Texts whose chosen ones have small ids more often than not, between the family's special tokens."""
    first, last = special

    def ids(least, most, low, high):
        length = least + int((draws.next() + 1) / 2 * (most - least + 1))
        return [low + int((draws.next() + 1) / 2 * (high - low)) for _ in range(length)]

    rows = []
    for _ in range(count):
        prompt = ids(2, 9, 6, vocab)
        rows.append({"chosen_ids": [first, *prompt, *ids(1, 8, 6, 40), last], "rejected_ids": [first, *prompt, *ids(1, 8, 30, vocab), last]})
    return rows


def trained(folder, config, rows, head_only=False):
    model = built(config)
    if head_only:
        model.base_model.requires_grad_(False)
    with tempfile.TemporaryDirectory() as output:
        arguments = trl.RewardConfig(
            output_dir=output, use_cpu=True, bf16=False, seed=0, per_device_train_batch_size=BATCH, train_sampling_strategy="sequential", max_steps=STEPS, gradient_checkpointing=False,
            learning_rate=2e-3, lr_scheduler_type="linear", weight_decay=0.1, logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
        )
        trainer = trl.RewardTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=AutoTokenizer.from_pretrained(folder))
        trainer.train()
        history = [row for row in trainer.state.log_history if "loss" in row]
    return {"headOnly": head_only, "log": {name: [row[name] for row in history] for name in METRICS}}


def family(name):
    make_tokenizer, make_config, labels = FAMILIES[name]
    with tempfile.TemporaryDirectory() as folder:
        make_tokenizer(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        files = {key: json.load(open(os.path.join(folder, file), encoding="utf8")) for key, file in (("tokenizerJson", "tokenizer.json"), ("tokenizerConfig", "tokenizer_config.json"))}
        config = make_config(len(tokenizer), num_labels=labels)
        case = {
            "config": {**config.to_dict(), "id2label": {str(i): label for i, label in config.id2label.items()}}, **files,
            "encodings": [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS], "pairEncoding": {**PAIR, **{key: tokenizer(**PAIR)[key] for key in tokenizer(**PAIR) if key != "attention_mask"}},
            "figures": figures(tokenizer, config, paired=name == "bert"),
        }
        built(config).save_pretrained(folder)
        case["pipelines"] = piped(folder) + ([] if name == "roberta" else piped(folder, problem_type="multi_label_classification") + piped(folder, problem_type="regression"))
        if name != "distilbert":
            rows = pairs(12, Congruential(7), (tokenizer.cls_token_id, tokenizer.sep_token_id), len(tokenizer))
            scalar = make_config(len(tokenizer), num_labels=1)
            case["rows"] = rows
            case["trainings"] = {"all": trained(folder, scalar, rows), "head only": trained(folder, scalar, rows, head_only=True)}
        return case


result = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}, "scale": SCALE, "batch": BATCH, "steps": STEPS, "learningRate": 2e-3, "weightDecay": 0.1, **{name: family(name) for name in FAMILIES}}


def written(value, level=0):
    """Lists of plain values, and small objects, on one line each."""
    if isinstance(value, dict) and len(json.dumps(value)) > 160:
        inner = ",\n".join(f"{' ' * (level + 1)}{json.dumps(name, ensure_ascii=False)}: {written(each, level + 1)}" for name, each in value.items())
        return f"{{\n{inner}\n{' ' * level}}}"
    if isinstance(value, list) and len(json.dumps(value)) > 160 and any(isinstance(each, dict) for each in value):
        inner = ",\n".join(f"{' ' * (level + 1)}{written(each, level + 1)}" for each in value)
        return f"[\n{inner}\n{' ' * level}]"
    return json.dumps(value, ensure_ascii=False)


def short(value):
    """The tokenizer's vocabulary in one line, all numbers to nine digits."""
    return json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.9g}"))


with open(out, "w", encoding="utf8") as file:
    file.write(written(short(result)) + "\n")
