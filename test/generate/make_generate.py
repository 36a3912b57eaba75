"""What Python's transformers generates on the packaged weights: the figures in test/fixtures/generate.json.

    python test/generate/make_generate.py MODEL_FOLDER test/fixtures/generate.json

MODEL_FOLDER is the packaged model as saveModel writes it. Each case names its options as transformers does; prompts of
one case are batched and padded on the left. Beside the tokens stand the scores by which they were chosen: for beams each
sequence's, else the smallest distance between a chosen token's score and the next best one's.
"""
import json
import sys

import torch
import transformers

QUESTIONS = [
    "What is the capital of France?",
    "Rain.",
    "Write a short poem about a cat who is afraid of the dark \U0001f408",
    "Say yes.",
]
REVIEW = "The movie was"

CASES = [
    ("min_new_tokens", [0], dict(max_new_tokens=32, min_new_tokens=24)),
    ("min_length and max_length", [3], dict(max_length=60, min_length=50)),
    ("no repeated bigram", [2], dict(max_new_tokens=48, no_repeat_ngram_size=2)),
    ("no repeated bigram, plain text", [4], dict(max_new_tokens=48, no_repeat_ngram_size=2)),
    ("no repeated trigram, minimum", [1], dict(max_new_tokens=40, no_repeat_ngram_size=3, min_new_tokens=40)),
    ("repetition penalty", [2], dict(max_new_tokens=48, repetition_penalty=1.3)),
    ("repetition penalty, padded batch", [0, 1, 2], dict(max_new_tokens=32, repetition_penalty=1.15)),
    ("repetition penalty below 1", [4], dict(max_new_tokens=24, repetition_penalty=0.9)),
    ("stop string across tokens", [0], dict(max_new_tokens=32, stop_strings=["the night", "is Par"])),
    ("stop string of several tokens", [2], dict(max_new_tokens=48, stop_strings=["the night", ",\n"])),
    ("stop string inside a token", [4], dict(max_new_tokens=32, stop_strings=["ovie"])),
    ("5 beams", [0, 1, 2], dict(max_new_tokens=32, num_beams=5)),
    ("5 beams, all returned", [1], dict(max_new_tokens=24, num_beams=5, num_return_sequences=5)),
    ("5 beams, early stopping", [0, 3], dict(max_new_tokens=32, num_beams=5, early_stopping=True, num_return_sequences=3)),
    ("5 beams, never stopping early", [3], dict(max_new_tokens=24, num_beams=5, early_stopping="never", num_return_sequences=2)),
    ("5 beams, long ones favoured", [0, 3], dict(max_new_tokens=32, num_beams=5, length_penalty=2.0, num_return_sequences=2)),
    ("5 beams, short ones favoured", [0, 3], dict(max_new_tokens=32, num_beams=5, length_penalty=-0.5, num_return_sequences=2)),
    ("5 beams, length without weight", [3], dict(max_new_tokens=24, num_beams=5, length_penalty=0.0, early_stopping="never")),
    ("5 beams, no repeated bigram", [4], dict(max_new_tokens=50, num_beams=5, no_repeat_ngram_size=2, num_return_sequences=2)),
    ("5 beams, repetition penalty, minimum", [3], dict(max_new_tokens=24, min_new_tokens=16, num_beams=5, repetition_penalty=1.2)),
    ("5 beams, stop string", [0, 2], dict(max_new_tokens=32, num_beams=5, stop_strings=[".", "!"])),
    ("50 beams", [0], dict(max_new_tokens=24, num_beams=50, num_return_sequences=3)),
    ("50 beams, no repeated bigram", [4], dict(max_new_tokens=24, num_beams=50, no_repeat_ngram_size=2, early_stopping=True)),
]


def smallest_gap(scores, row, length):
    """The least lead of a chosen token over the next best."""
    return min(float(step[row].topk(2).values.diff().abs()) for step in scores[:length])


def main(folder, target):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True, tokenize=False) for q in QUESTIONS] + [REVIEW]
    eos = model.generation_config.eos_token_id
    cases = []
    for name, which, options in CASES:
        batch = tokenizer([texts[i] for i in which], add_special_tokens=False, padding=True, return_tensors="pt")
        with torch.no_grad():
            out = model.generate(**batch, do_sample=False, tokenizer=tokenizer, output_scores=True, return_dict_in_generate=True, **options)
        beams = options.get("num_beams", 1) > 1
        sequences = []
        for row, ids in enumerate(out.sequences[:, batch["input_ids"].shape[1]:].tolist()):
            if beams:
                length = int((out.beam_indices[row] >= 0).sum())
            elif eos in ids:
                length = ids.index(eos) + 1
            else:
                length = len(ids)
            sequences.append(ids[:length])
        case = {"name": name, "prompts": [tokenizer(texts[i], add_special_tokens=False)["input_ids"] for i in which], "options": options, "sequences": sequences}
        if beams:
            case["sequences_scores"] = [round(float(score), 7) for score in out.sequences_scores]
        else:
            case["smallest_gaps"] = [round(smallest_gap(out.scores, row, len(ids)), 6) for row, ids in enumerate(sequences)]
        cases.append(case)
        print(name, [len(s) for s in sequences], case.get("sequences_scores") or case["smallest_gaps"], [tokenizer.decode(s)[-60:] for s in sequences], flush=True)
    figures = {
        "source": f"transformers {transformers.__version__}, torch {torch.__version__}, float32, generate(do_sample=False)",
        "model": "the packaged SmolLM2-135M-Instruct, Q4_1",
        "cases": cases,
    }
    with open(target, "w", encoding="utf-8") as file:
        json.dump(figures, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


main(*sys.argv[1:])
