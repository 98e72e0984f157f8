"""How to use an exported model, as code that runs: one snippet per library, for the model card.

`LOCATION` stands for the repository until the folder is pushed to one.
"""

from __future__ import annotations

from collections.abc import Sequence

from smart_train.models import SmartModel
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput

LOCATION = "OWNER/NAME"
_TEXT = "{text}"
_QUERY = "total revenue 2019"

_SMART_TRAIN = """\
from smart_train import SmartModel

model = SmartModel.from_pretrained("{location}")
queries = model.encode_query(["{query}"])
documents = model.encode_document(["{document}"])
print(model.similarity(queries, documents))  # [queries, documents]
"""

_TRANSFORMERS = """\
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor

processor = AutoProcessor.from_pretrained("{location}")
model = AutoModel.from_pretrained("{location}").eval()
query_prompt = {query}
page_prompt = {page}


@torch.no_grad()
def encode(prompt, images=None):
    inputs = processor(text=[prompt], images=images, return_tensors="pt")
    states = model(**inputs).last_hidden_state[0].float()
    return {returned}


{score}"""

_EMBEDDER = """\
{imports}from sentence_transformers import MultiVectorEncoder, SentenceTransformer

query, document = "{query}", {document}
model = SentenceTransformer("{location}"{trust})
pooled = model.similarity(model.encode_query([query]), model.encode_document([document]))
model = MultiVectorEncoder("{location}"{trust})
late = model.similarity(model.encode_query([query]), model.encode_document([document]))
score = {pooled_weight} * pooled + {late_weight} * late
print(score)
"""

_POOLED = """\
query = encode(query_prompt.replace("{text}", "{example}"))
page = encode(page_prompt, [Image.open("page.png").convert("RGB")])
score = query @ page
print(score)
"""

_MULTI_VECTOR = """\
special = {{index for index, token in processor.tokenizer.added_tokens_decoder.items() if token.special}}
special -= {visual}
query, query_tokens = encode(query_prompt.replace("{text}", "{example}"))
page, page_tokens = encode(page_prompt, [Image.open("page.png").convert("RGB")])
late = (query_tokens @ page_tokens.T).max(dim=1).values.mean()
score = {pooled_weight} * query @ page + {late_weight} * late
print(score)
"""


def smart_train_snippet(modalities: Sequence[str]) -> str:
    """Code that scores a query against a page, or against a text where the model reads no images."""
    document = "page.png" if "image" in modalities else "revenue rose in 2019"
    return _SMART_TRAIN.format(location=LOCATION, query=_QUERY, document=document)


def embedder_snippet(modalities: Sequence[str], scoring: ScoringConfig, *, trusting: bool) -> str:
    """Code that scores a query against a document with the two classes of sentence-transformers.

    Args:
        scoring: the weights of the two scores.
        trusting: the folder names modules of smart_train, which the library imports only with trust_remote_code.
    """
    visual = "image" in modalities
    return _EMBEDDER.format(
        imports="from PIL import Image\n" if visual else "",
        location=LOCATION,
        trust=", trust_remote_code=True" if trusting else "",
        query=_QUERY,
        document='Image.open("page.png").convert("RGB")' if visual else '"revenue rose in 2019"',
        pooled_weight=scoring.pooled_weight,
        late_weight=scoring.late_weight,
    )


def transformers_snippet(model: SmartModel) -> str | None:
    """Code that scores a query against a page with transformers alone; None for families that need more than that.

    The prompts are those that the family renders. Tokens are shown where the last layer's states and the default filter
    are scored; with a projection, another layer or another filter, the code shows the pooled vector only.
    """
    if not model.family.transformers_alone:
        return None
    probe = model.family.featurize([ModelInput(_QUERY)], "query")
    # Right-padded and alone in its batch: the pooled position counted from the end is the same for every prompt.
    last = int(probe["pooled_index"][0]) - probe["input_ids"].shape[1]
    pooled = f"torch.nn.functional.normalize(states[{last}], dim=-1)"
    fields = {"text": _TEXT, "example": _QUERY}
    if shows_tokens(model):
        weights = {"pooled_weight": model.scoring.pooled_weight, "late_weight": model.scoring.late_weight}
        visual = set(model.family.visual_ids.tolist())
        score = _MULTI_VECTOR.format(**fields, **weights, visual=f"{visual}  # what stands for images and videos")
        keep = '[i not in special for i in inputs["input_ids"][0].tolist()]'
        returned = f"{pooled}, torch.nn.functional.normalize(states[{keep}], dim=-1)"
    else:
        score, returned = _POOLED.format(**fields), pooled
    query = model.family.render(ModelInput(_TEXT), "query")
    page = model.family.render(ModelInput(None, ("page.png",)), "document")
    return _TRANSFORMERS.format(location=LOCATION, query=repr(query), page=repr(page), returned=returned, score=score)


def shows_tokens(model: SmartModel) -> bool:
    """Whether the transformers snippet gives the whole score, not its pooled term alone."""
    paper = ScoringConfig(pooled_weight=model.scoring.pooled_weight, late_weight=model.scoring.late_weight)
    return model.projection is None and model.scoring == paper


def peft_snippet(base: str, revision: str | None, embeddings: int = 0) -> str:
    """Code that puts the adapter on its base with PEFT alone.

    Args:
        revision: the commit of a base on the Hub, whose branch may move on; None of a local one.
        embeddings: how many the adapter's tokens need, where it added some; 0: as many as the base has.
    """
    named = f'"{base}"' if revision is None else f'"{base}", revision="{revision}"'
    grown = f"""\
base = AutoModel.from_pretrained({named})
if base.get_input_embeddings().num_embeddings < {embeddings}:  # tokens were added: read texts with this tokenizer
    base.resize_token_embeddings({embeddings}, mean_resizing=False)
model = PeftModel.from_pretrained(base, "{LOCATION}")
"""
    plain = f'model = PeftModel.from_pretrained(AutoModel.from_pretrained({named}), "{LOCATION}")\n'
    return f"from peft import PeftModel\nfrom transformers import AutoModel\n\n{grown if embeddings else plain}"
