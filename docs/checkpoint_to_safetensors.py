"""Writes a checkpoint of robomimic or diffusion_policy as safetensors, for `imitate import`. Run it where their PyTorch is:

    python checkpoint_to_safetensors.py CHECKPOINT OUTPUT.safetensors [--replace]

Only open checkpoints that you trust: PyTorch runs what a pickle says. Whatever would be lost without being understood is
refused by name; whatever fails is one line on the error output, and leaves nothing behind.
"""
import json
import math
import operator
import os
import re
import signal
import stat
import sys
import warnings

USAGE = "python checkpoint_to_safetensors.py CHECKPOINT OUTPUT.safetensors [--replace]"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# How safetensors calls the types of PyTorch and numpy.
TYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}
# What training needs to go on, and acting does not.
ROBOMIMIC = {"model", "config", "algo_name", "env_metadata", "shape_metadata", "variable_state", "version",
             "obs_normalization_stats", "action_normalization_stats"}
ROBOMIMIC_MODEL = {"nets", "ema", "optimizers", "lr_schedulers"}
DIFFUSION_POLICY = {"cfg", "state_dicts", "pickles"}
DIFFUSION_POLICY_STATES = {"model", "ema_model", "optimizer", "lr_scheduler"}
# What robomimic does to images; all but crops do nothing when it acts.
RANDOMIZERS = {None, "CropRandomizer", "ColorRandomizer", "GaussianNoiseRandomizer"}
# What torch.compile and DataParallel put into names.
WRAPPERS = {"_orig_mod", "module"}


class Refused(Exception):
    pass


# what a checkpoint holds

def convert(checkpoint):
    """Tensors by name and the file's metadata. Tensors are PyTorch's or numpy's, statistics lists of floats."""
    if not isinstance(checkpoint, dict):
        raise Refused(f"holds {article(checkpoint)}, not a checkpoint of robomimic or diffusion_policy")
    if "state_dicts" in checkpoint:
        return diffusion_policy(checkpoint)
    if "model" in checkpoint and "shape_metadata" in checkpoint:
        return robomimic(checkpoint)
    raise Refused("neither robomimic's (model, shape_metadata) nor diffusion_policy's (state_dicts, cfg): "
                  f"it has {names(checkpoint)}")


def diffusion_policy(checkpoint):
    """The averaged weights where there are any; the normalizer is among them."""
    only(checkpoint, DIFFUSION_POLICY, "the checkpoint")
    states = mapping(checkpoint, "state_dicts")
    only(states, DIFFUSION_POLICY_STATES, "state_dicts")
    averaged = states.get("ema_model") is not None
    weights = mapping(states, "ema_model" if averaged else "model")
    config = mapping(checkpoint, "cfg")
    observed = (config.get("shape_meta") or {}).get("obs")
    if observed:
        shapes = {key: shape(mapping(observed, key).get("shape"), f"shape_meta.obs.{key}") for key in observed}
    elif isinstance(config.get("obs_dim"), int):
        shapes = {"obs": [config["obs_dim"]]}
    else:
        raise Refused("cfg has neither shape_meta.obs nor obs_dim: what the policy observes is not known")
    metadata = {"weights": "ema_model" if averaged else "model"}
    target = (config.get("policy") or {}).get("_target_")
    if isinstance(target, str):
        metadata["algorithm"] = target
    return tensors(weights, "state_dicts"), described(metadata, shapes, diffusion_settings(config.get("policy")))


def diffusion_settings(policy):
    """What the weights do not show, by the names of our recipes."""
    policy = policy if hasattr(policy, "get") else {}
    scheduler = policy.get("noise_scheduler")
    scheduler = scheduler if hasattr(scheduler, "get") else {}
    schedules = {"squaredcos_cap_v2": "squared_cosine", "linear": "linear"}
    predictions = {"epsilon": "epsilon", "sample": "sample", "v_prediction": "velocity"}
    model = policy.get("model")
    heads = policy.get("n_head", model.get("n_head") if hasattr(model, "get") else None)
    settings = {
        "policy.heads": heads, "policy.timesteps": scheduler.get("num_train_timesteps"),
        "policy.schedule": known(scheduler.get("beta_schedule"), schedules, "cfg.policy.noise_scheduler.beta_schedule"),
        "policy.prediction": known(scheduler.get("prediction_type"), predictions,
                                   "cfg.policy.noise_scheduler.prediction_type"),
        "policy.clip_sample": scheduler.get("clip_sample"),
    }
    # Left out it is the policy's own default, which is not in the checkpoint.
    if "crop_shape" in policy:
        crop = policy.get("crop_shape")
        settings["encoder.crop"] = None if crop is None else square(list(crop), "cfg.policy.crop_shape")
    return settings


def robomimic(checkpoint):
    """Features are in the order of all keys by name. Later versions keep the networks beside the optimizers."""
    only(checkpoint, ROBOMIMIC, "the checkpoint")
    model, metadata = mapping(checkpoint, "model"), {}
    if "nets" in model:
        only(model, ROBOMIMIC_MODEL, "model")
        averaged = model.get("ema") is not None
        metadata["weights"] = "ema" if averaged else "nets"
        model = mapping(model, metadata["weights"])
    seen = mapping(mapping(checkpoint, "shape_metadata"), "all_shapes")
    shapes = {key: shape(size, f"shape_metadata.all_shapes.{key}") for key, size in seen.items()}
    found = tensors(model, "model")
    config = configuration(checkpoint.get("config"))
    settings = robomimic_settings(config)
    normalized = statistics(checkpoint, "obs_normalization_stats")
    for key in shapes if normalized else []:
        if key not in normalized:
            raise Refused(f"obs_normalization_stats has {', '.join(normalized)}, but nothing about {key}")
    for key, (offset, scale) in normalized.items():
        if key not in shapes:
            raise Refused(f"obs_normalization_stats.{key}: no observation of the policy; it has {', '.join(shapes)}")
        if math.prod(shapes[key]) != len(offset):
            raise Refused(f"obs_normalization_stats.{key}: {len(offset)} values for the shape {shapes[key]}")
        found[f"obs_normalization.{key}.offset"], found[f"obs_normalization.{key}.scale"] = offset, scale
    for name, values in action_statistics(checkpoint, config).items():
        found[f"action_normalization.{name}"] = values
    for name, value in (("algorithm", checkpoint.get("algo_name")), ("version", checkpoint.get("version"))):
        if value is not None:
            metadata[name] = str(value)
    return found, described(metadata, shapes, settings)


def robomimic_settings(config):
    """What the weights do not show, by the names of our recipes. Versions that cannot predict the next actions do not say that they
    do not; without a configuration nothing is known."""
    algorithm = at(config, "algo")
    transformer, mixture = at(algorithm, "transformer"), at(algorithm, "gmm")
    if not transformer:
        return {}
    if mixture.get("enabled") and mixture.get("low_noise_eval") is False:
        raise Refused("config.algo.gmm.low_noise_eval is false: it acts by the deviations it learned: not converted")
    settings = {"policy.heads": transformer.get("num_heads"),
                "policy.pred_future_actions": bool(transformer.get("pred_future_acs", False)), "encoder.crop": None}
    camera = at(config, "observation", "encoder", "rgb")
    # One, or several of them in later versions.
    kinds, arguments = camera.get("obs_randomizer_class"), camera.get("obs_randomizer_kwargs")
    kinds, arguments = (value if isinstance(value, list) else [value] for value in (kinds, arguments))
    where = "config.observation.encoder.rgb.obs_randomizer"
    for number, kind in enumerate(kinds):
        if kind not in RANDOMIZERS:
            raise Refused(f"{where}_class is {kind}: not converted")
        if kind == "CropRandomizer":
            sizes = arguments[number] if number < len(arguments) and hasattr(arguments[number], "get") else {}
            if settings["encoder.crop"] is not None:
                raise Refused(f"{where}_class crops twice: not converted")
            settings["encoder.crop"] = square([sizes.get("crop_height"), sizes.get("crop_width")], f"{where}_kwargs")
    return settings


def action_statistics(checkpoint, config):
    """Offset and scale of the actions, whose parts follow one another as the configuration has them."""
    parts = statistics(checkpoint, "action_normalization_stats")
    training = config.get("train") if isinstance(config.get("train"), dict) else {}
    order = list(parts)
    if len(parts) > 1:
        order = training.get("action_keys") or []
        if sorted(order) != sorted(parts):
            raise Refused(f"action_normalization_stats has {', '.join(parts)}; "
                          "config.train.action_keys, which would give their order, has " + (", ".join(order) or "none"))
    for key in order:
        settings = training.get("action_config")
        settings = settings.get(key) if isinstance(settings, dict) else None
        if isinstance(settings, dict) and settings.get("format") == "rot_6d":
            raise Refused(f"action {key} is a rotation of 6 values, which robomimic turns while acting: not converted")
    if not parts:
        return {}
    return {"offset": sum((parts[key][0] for key in order), []), "scale": sum((parts[key][1] for key in order), [])}


def statistics(checkpoint, name):
    """Offset and scale by key, so that what a network sees is (x - offset) / scale; 0.3 and 0.4 call them mean and std."""
    stats = checkpoint.get(name)
    if stats is None:
        return {}
    found = {}
    for key in mapping(checkpoint, name):
        entry = mapping(stats, key, name)
        forms = [("offset", "scale"), ("mean", "std")]
        form = next((form for form in forms if set(entry) == set(form)), None)
        if form is None:
            raise Refused(f"{name}.{key} has {names(entry)}; offset and scale, or mean and std, are expected")
        offset, scale = (flat(entry[part], f"{name}.{key}.{part}") for part in form)
        if len(offset) != len(scale) or not offset:
            raise Refused(f"{name}.{key}: {len(offset)} and {len(scale)} values")
        if not all(map(math.isfinite, offset + scale)) or not all(scale):
            raise Refused(f"{name}.{key}: a scale of 0 or a value that is no number")
        found[str(key)] = (offset, scale)
    return found


def tensors(weights, where):
    """A state dictionary's tensors, without what wrappers put into their names."""
    found = {}
    for name, value in weights.items():
        plain = ".".join(part for part in str(name).split(".") if part not in WRAPPERS)
        if not is_tensor(value):
            if value is None and plain.endswith("_extra_state"):
                continue  # a layer that keeps nothing
            raise Refused(f"{where}.{name} is {article(value)}, not a tensor: not converted")
        if plain in found:
            raise Refused(f"{where} has '{plain}' twice: with and without a wrapper's prefix")
        if kind(value) not in TYPES:
            raise Refused(f"{where}.{name}: values of {kind(value)} have no place in safetensors")
        found[plain] = value
    if not found:
        raise Refused(f"{where} has no tensors")
    return found


# small pieces

def mapping(parent, name, where="the checkpoint"):
    """An entry that is a mapping, OmegaConf's among them."""
    value = parent.get(name)
    if value is None or not hasattr(value, "items"):
        raise Refused(f"{where}: {name} is {'missing' if value is None else article(value)}, not a mapping")
    return value


def only(group, known, where):
    unknown = [str(name) for name in group if name not in known]
    if unknown:
        raise Refused(f"{where} has {', '.join(unknown[:5])}, which this does not understand and would lose")


def configuration(text):
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        raise Refused("config is not JSON") from None
    return value if hasattr(value, "get") else {}


def shape(sizes, where):
    try:
        sizes = [operator.index(size) for size in sizes]
    except TypeError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise Refused(f"{where} is no shape")
    return sizes


def described(metadata, shapes, settings):
    """Settings are JSON each. Images that are not cropped are a setting, too."""
    sees = any(len(size) == 3 for size in shapes.values())
    settings = {name: json.dumps(value) for name, value in settings.items()
                if (sees if name == "encoder.crop" else value is not None)}
    return {**metadata, "observations": json.dumps([{"key": key, "shape": size} for key, size in shapes.items()]),
            "settings": json.dumps(settings)}


def at(group, *names):
    """A group within groups; empty where there is none."""
    for name in names:
        group = group.get(name)
        if not hasattr(group, "get"):
            return {}
    return group


def known(word, words, where):
    if word is not None and word not in words:
        raise Refused(f"{where} is {word}: not converted")
    return words.get(word)


def square(sizes, where):
    if len(sizes) != 2 or sizes[0] != sizes[1] or not isinstance(sizes[0], int):
        raise Refused(f"{where}: images are cut to {sizes}, not to squares: not converted")
    return sizes[0]


def flat(value, where):
    """The numbers of nested lists, of an array or a tensor."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in flat(part, where)]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{where}: {article(value)}, not numbers")
    return [float(value)]


def is_tensor(value):
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "reshape")


def kind(tensor):
    layout = str(getattr(tensor, "layout", "torch.strided"))
    return str(tensor.dtype).removeprefix("torch.") if layout == "torch.strided" else f"layout {layout}"


def article(value):
    return f"a value of type {type(value).__name__}"


def names(group):
    listed = [str(name) for name in group]
    return ", ".join(listed[:6]) + (", ..." if len(listed) > 6 else "") if listed else "nothing"


# files

def recognize(path):
    """Refuses what is no checkpoint by its first bytes."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("a folder, where a file is expected" if stat.S_ISDIR(status.st_mode) else "not an ordinary file")
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        raise Refused("empty; fetch it again")
    if head.startswith(b"version https://git-lfs.github.com/spec"):
        raise Refused("a Git LFS pointer in place of the file; `git lfs pull` fetches it")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < status.st_size:
        raise Refused("is safetensors already; a checkpoint of robomimic or diffusion_policy is expected")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        raise Refused("is HDF5: demonstrations, not a checkpoint")
    if not head.startswith((b"PK\x03\x04", b"\x80")):
        raise Refused("not a PyTorch checkpoint")


def load(path):
    try:
        import torch
    except ImportError as error:
        raise Refused(f"no Python package {error.name or 'torch'}; run this where the toolkit's PyTorch is") from None
    try:
        import dill as pickles  # what diffusion_policy writes with
    except ImportError:
        import pickle as pickles
    try:
        return torch.load(path, map_location="cpu", pickle_module=pickles, weights_only=False)
    except ImportError as error:
        raise Refused(f"needs the Python package {error.name}; run this where the toolkit is installed") from None
    except MemoryError:
        raise
    except Exception as error:
        raise Refused(f"not a readable checkpoint: {type(error).__name__}: {first_line(error)}") from None


def content(tensor):
    """Bytes in safetensors' order."""
    if hasattr(tensor, "detach"):
        import torch
        tensor = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return tensor.tobytes()


def save(found, metadata, path):
    """The format is a length, a JSON header and the bytes; tensors are written one by one."""
    import numpy
    header, offset = {"__metadata__": metadata}, 0
    values = {name: numpy.asarray(value, numpy.float32) if isinstance(value, list) else value
              for name, value in found.items()}
    for name, tensor in values.items():
        size = math.prod(tensor.shape) * SIZES[TYPES[kind(tensor)]]
        header[name] = {"dtype": TYPES[kind(tensor)], "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in values.values():
            file.write(content(tensor))
        file.flush()
        os.fsync(file.fileno())


SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def check_output(source, output, replace):
    above = os.path.dirname(output) or "."
    if not os.path.basename(output):
        raise Refused("names no file")
    if not os.path.isdir(above):
        raise Refused(f"no such folder: {above}")
    if os.path.lexists(output):
        if not stat.S_ISREG(os.lstat(output).st_mode):
            raise Refused("not an ordinary file; choose another name")
        if os.path.samefile(source, output):
            raise Refused("is the checkpoint itself; choose another name")
        if not replace:
            raise Refused("exists; --replace writes over it")


def publish(partial, output, replace):
    """The finished file gets its name, which another process may have taken meanwhile."""
    if replace:
        os.replace(partial, output)
    else:
        try:
            os.link(partial, output)
            os.remove(partial)
        except OSError:  # the name is taken, or it is a file system without hard links
            if os.path.lexists(output):
                raise Refused("was made by another program meanwhile; --replace writes over it") from None
            os.rename(partial, output)
    try:
        folder = os.open(os.path.dirname(output) or ".", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError:
        pass  # not every file system does that for folders; the file is whole all the same


partial = None
"""The file that is being written."""


def fail(reason):
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if partial is not None:
        try:
            os.remove(partial)
        except OSError:
            pass
    line = re.sub(r"[\x00-\x1f\x7f]+", " ", reason)
    try:
        print(f"checkpoint_to_safetensors: {line}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def main():
    global partial
    for number in SIGNALS:
        signal.signal(number, lambda number, _: fail(f"stopped by {signal.Signals(number).name}; nothing was written"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit on file sizes becomes an error
    warnings.simplefilter("ignore")
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        print(__doc__.strip())
        return
    replace = "--replace" in sys.argv[1:]
    places = [argument for argument in sys.argv[1:] if argument != "--replace"]
    if len(places) != 2 or any(place.startswith("--") or not place for place in places):
        fail(f"usage: {USAGE}")
    source, output = places
    at = source
    try:
        recognize(source)
        at = output
        check_output(source, output, replace)
        at = source
        found, metadata = convert(load(source))
        at = output
        partial = f"{output}.{os.getpid()}.partial"
        save(found, metadata, partial)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        publish(partial, output, replace)
    except Refused as reason:
        fail(f"{at}: {reason}")
    except OSError as error:
        fail(f"{at}: {error.strerror or first_line(error)}")
    except MemoryError:
        fail(f"{at}: out of memory")
    except Exception as error:
        fail(f"{at}: {type(error).__name__}: {first_line(error)}")
    keys = ", ".join(entry["key"] for entry in json.loads(metadata["observations"]))
    print(f"{output}: {len(found)} tensors of {keys}")


if __name__ == "__main__":
    main()
