"""crf/predict.py on one long text: predict_ours.py default|fast prints characters per second of five repeats, as JSON."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crf import data, predict

text = "\n".join("".join(words) for words in data.read_sentences(data.SAMPLE)) * 100
segmenter = predict.Segmenter.load(predict.WEIGHTS / sys.argv[1])
speeds = []
for _ in range(4):
    start = time.perf_counter()
    predict.joined(segmenter.cut(text), " ")
    speeds.append(len(text) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
