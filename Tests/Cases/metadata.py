"""What the attributes say: the task, the instruction, the simulator; and how attributes are stored."""
import json

import h5py
import numpy as np

from making import ENV, STEPS, actions, case, each, maybe, pictures, positions, put, told, toy

NO_INSTRUCTION = ["note", "instruction"]


def described(folder, value, demos=None, **options):
    """A file whose demos (or some) have this ep_meta."""
    with toy(folder, lang=None, **options) as file:
        for i, demo in each(file):
            if demos is None or i in demos:
                demo.attrs["ep_meta"] = value(i) if callable(value) else value
            else:
                demo.attrs["ep_meta"] = json.dumps({"lang": "push the toy"})


# ---- instructions ------------------------------------------------------------------------------------------------------


@case()
def several_instructions(folder):
    """RoboCasa: every episode has words of its own."""
    described(folder, lambda i: json.dumps({"lang": ["push the toy", "pull the toy", "lift it"][i % 3]}))


@case()
def instruction_other_letters(folder):
    """Instructions in other languages, stored as themselves and as JSON's escapes."""
    described(folder, lambda i: json.dumps({"lang": "déplace le jouet 🧸 次に"}, ensure_ascii=i % 2 == 0))


@case()
def ep_meta_nan(folder):
    """Python's json writes NaN, Infinity and -Infinity, which JSON does not have."""
    described(folder, json.dumps({"lang": "push the toy", "rotation": float("nan"), "limits": [float("inf"), float("-inf")]}))


@case(instruction="say NaN or Infinity")
def ep_meta_nan_words(folder):
    """The same words inside the instruction are words."""
    described(folder, json.dumps({"x": float("nan"), "lang": "say NaN or Infinity", "y": [float("-inf")]}))


@case()
def ep_meta_bytes(folder):
    """ep_meta as a fixed-length byte string, with zeros behind."""
    described(folder, np.bytes_(json.dumps({"lang": "push the toy"}).encode() + b"\0\0\0"))


@case()
def ep_meta_fixed_utf8(folder):
    """ep_meta as a fixed-length UTF-8 string."""
    text = json.dumps({"lang": "schiebe das Spielzeug für mich"}, ensure_ascii=False).encode()
    described(folder, np.array(text, dtype=h5py.string_dtype("utf-8", len(text) + 5)))


@case()
def ep_meta_array(folder):
    """ep_meta as an array of one string, which h5py gives as an array."""
    described(folder, np.array([json.dumps({"lang": "push the toy"})], dtype=h5py.string_dtype()))


@case(train=told("demo_1", "ep_meta"), inspect=["demo_1", "ep_meta"], play="values", repack="values")
def ep_meta_broken(folder):
    """JSON cut off by a fixed length: it cannot be read, which is not the same as no instruction."""
    described(folder, '{"lang": "push the toy", "layout_', demos=[1])


@case(train=told("demo_2", "ep_meta"), inspect=["demo_2", "ep_meta"], play="values", repack="values")
def ep_meta_list(folder):
    """A JSON list."""
    described(folder, '["push the toy"]', demos=[2])


@case(inspect=["instruction"], notes=NO_INSTRUCTION)
def ep_meta_empty(folder):
    """Empty text for every demo."""
    described(folder, "")


@case(inspect=["instruction"], notes=NO_INSTRUCTION)
def ep_meta_empty_object(folder):
    """robosuite writes an empty object."""
    described(folder, "{}")


@case(inspect=["instruction"], notes=[*NO_INSTRUCTION, "2"])
def ep_meta_some(folder):
    """Two demos without words, two with."""
    described(folder, "{}", demos=[1, 3])


@case(inspect=["instruction"], notes=NO_INSTRUCTION)
def ep_meta_missing(folder):
    """No ep_meta at all, as robomimic's files."""
    toy(folder, lang=None).close()


@case(train=told(("ep_meta", "instruction")), inspect="any", play="values", repack="values")
def ep_meta_empty_space(folder):
    """ep_meta is a value without a value (h5py.Empty)."""
    described(folder, h5py.Empty(h5py.string_dtype()))


@case(train=["demo_0", "lang", "list"], play="values", repack="values")
def lang_list(folder):
    """Several wordings of one instruction."""
    described(folder, json.dumps({"lang": ["push the toy", "shove the toy"]}))


@case(train=["demo_0", "lang"], play="values", repack="values")
def lang_number(folder):
    """`lang` is an index into a table that is elsewhere."""
    described(folder, json.dumps({"lang": 3}))


@case(inspect=["instruction"], notes=NO_INSTRUCTION)
def lang_null(folder):
    """`lang` is null."""
    described(folder, json.dumps({"lang": None}))


@case(train=told("demo_0", "ep_meta"), inspect=["demo_0", "ep_meta"], play="values", repack="values")
def ep_meta_number(folder):
    """ep_meta is a number."""
    described(folder, 7)


@case(train=told("demo_0", "ep_meta"), inspect="either", play="any", repack="values", reference=lambda case, path: None)
def ep_meta_latin(folder):
    """Text in Latin-1, which is no UTF-8."""
    described(folder, np.bytes_('{"lang": "schiebe für mich"}'.encode("latin-1")))


def libero_file(folder, **options):
    with toy(folder, lang=None, **options) as file:
        problem = {"problem_name": "libero_toy", "language_instruction": "push the toy", "domain_name": "robosuite"}
        file["data"].attrs["problem_info"] = json.dumps(problem)
        file["data"].attrs["bddl_file_name"] = "push_the_toy.bddl"
        file["data"].attrs["tag"] = "libero-v1"
        file["data"].attrs["num_demos"] = 4


@case()
def libero(folder):
    """LIBERO: the instruction is in `problem_info` of `data`."""
    libero_file(folder)


@case(train=maybe("libero"), inspect="any", play="values", repack="values")
def libero_whole(folder):
    """LIBERO as it is: all tasks share an env_name that is no task of ours, cameras are called agentview_rgb."""
    libero_file(folder, env={**ENV, "env_name": "Libero_Toy_Manipulation"})


# ---- the simulator -----------------------------------------------------------------------------------------------------


@case(inspect="any")
def no_env_args(folder):
    """A real robot's recording: nothing to simulate."""
    toy(folder, env=None).close()


@case(inspect="any")
def env_args_nan(folder):
    """NaN and Infinity in the simulator's arguments."""
    toy(folder, env=json.dumps({**ENV, "env_kwargs": {"damping": float("nan"), "limit": float("inf")}})).close()


@case()
def env_args_indented(folder):
    """robomimic writes it over several lines."""
    toy(folder, env=json.dumps(ENV, indent=4)).close()


@case()
def env_args_bytes(folder):
    """A byte string."""
    toy(folder, env=json.dumps(ENV).encode()).close()


@case()
def env_args_mimicgen(folder):
    """MimicGen's prefix."""
    toy(folder, env={**ENV, "env_name": "MG_Toy"}).close()


@case(inspect="any")
def env_args_short(folder):
    """Isaac Lab: only a name and a type, or a version of its own."""
    toy(folder, env={"env_name": "Toy", "type": 2}).close()


@case(train=["env_args"], play="values", repack="values")
def env_args_broken(folder):
    """JSON cut off."""
    toy(folder, env='{"env_name": "Toy", "env_kw').close()


@case(train=maybe("env_args"), inspect="any", play="values", repack="values")
def env_args_list(folder):
    """A list, as gym's make arguments."""
    toy(folder, env='["Toy"]').close()


@case(inspect="any")
def env_args_no_name(folder):
    """Isaac Lab without a registered name: `env_name` is empty."""
    toy(folder, env={"env_name": "", "type": 2}).close()


@case(train=["Other", "Toy"], inspect="any", play="values", repack="values")
def other_task(folder):
    """The file of another task under this one's name."""
    toy(folder, env={**ENV, "env_name": "Other"}).close()


@case(inspect="any")
def data_without_total(folder):
    """No `total`, as Isaac Lab's older files."""
    with toy(folder) as file:
        del file["data"].attrs["total"]


# ---- how attributes are stored -----------------------------------------------------------------------------------------


@case()
def attributes_large(folder):
    """RoboCasa's model files: attributes beyond 64 KB, in dense storage."""
    with toy(folder, libver=("v108", "v110")) as file:
        for i, demo in each(file):
            demo.attrs["model_file"] = f"<mujoco>{'x' * (70_000 + i)}</mujoco>"


@case()
def attributes_many(folder):
    """More than eight attributes, which newer files keep in a heap."""
    with toy(folder, libver=("v108", "v110")) as file:
        for _, demo in each(file):
            for n in range(40):
                demo.attrs[f"setting_{n}"] = n / 7


@case()
def attributes_of_all_kinds(folder):
    """Arrays, bools, empty values, records, enumerations, complex numbers, lists of strings."""
    with toy(folder) as file:
        for _, demo in each(file):
            attributes = demo.attrs
            attributes["success"] = True
            attributes["seeds"] = np.arange(6, dtype=">i4").reshape(2, 3)
            attributes["nothing"] = h5py.Empty("f8")
            attributes["record"] = np.array((1, 2.5), dtype=[("a", "i4"), ("b", "f8")])
            attributes["spectrum"] = 1 + 2j
            attributes["names"] = np.array(["ä", "bb"], dtype=h5py.string_dtype())
            attributes["fixed"] = np.array([b"a", b"bbb"])
            attributes["half"] = np.float16(0.5)
            attributes["raw"] = np.void(b"\1\2\3")
            attributes["no rows"] = np.zeros((0, 3))
            attributes["lists"] = np.array([np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))


@case(repack=maybe("reference"))
def references(folder):
    """Object and region references, in a dataset and in attributes."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo.attrs["first"] = demo["obs/cam_image"].ref
            demo.attrs["start"] = demo["obs/pos"].regionref[:3]
        demos = [file[f"data/demo_{i}"].ref for i in range(4)]
        file.create_dataset("index", data=np.array(demos, dtype=h5py.ref_dtype))


@case(repack=maybe("reference", "SCALE"))
def dimension_scales(folder):
    """Axes with names and scales, as netCDF and careful labs write; HDF5 keeps them as references."""
    with toy(folder) as file:
        for _, demo in each(file):
            demo["time"] = np.arange(12) / 20
            demo["time"].make_scale("time")
            demo["obs/pos"].dims[0].attach_scale(demo["time"])
            demo["obs/pos"].dims[0].label = "t"


@case()
def creation_order(folder):
    """Groups that remember the order of creation: the order of demos is by number all the same."""
    with h5py.File(f"{folder}/toy.hdf5", "w", track_order=True) as file:
        data = file.create_group("data", track_order=True)
        data.attrs["env_args"], data.attrs["total"] = json.dumps(ENV), 48
        for i in (3, 1, 0, 2):
            demo = data.create_group(f"demo_{i}", track_order=True)
            demo.attrs["num_samples"], demo.attrs["ep_meta"] = STEPS, json.dumps({"lang": "push the toy"})
            demo["obs/pos"], demo["obs/cam_image"], demo["actions"] = positions(i), pictures(i), actions(i)


@case()
def many_small_objects(folder):
    """Hundreds of groups beside the demos, as simulators' states have."""
    with toy(folder) as file:
        for _, demo in each(file):
            for n in range(60):
                demo[f"states/articulation/body_{n}/pose"] = np.zeros((1, 7), "f4")
        put(file, "meta/config", "a: 1\nb: 2\n")
