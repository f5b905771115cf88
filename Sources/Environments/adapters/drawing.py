"""Images of MuJoCo models without a screen, for the adapters of simulators that are built on it."""
import numpy as np

import wire

OPTIONS = ["image_size", "offsamples", "shadowsize", "shadows", "reflections"]


class Drawing:
    """One OpenGL context for the life of the process, and what of one model is loaded into it.

    Simulators make a context for every model or every reset. Once one of them is freed, all others may draw black, with no
    error. Here another model takes the place of the last.
    """

    def __init__(self, options, cameras, size=128, offsamples=0, shadowsize=1024):
        """Takes its options out. What an image looks like depends on all of them: the same for data and for evaluation.

        Samples and shadows are what takes most of the time on a CPU; None leaves them as the model has them.
        """
        self.size = wire.option(options, "image_size", size)
        self.offsamples = wire.option(options, "offsamples", offsamples)
        self.shadowsize = wire.option(options, "shadowsize", shadowsize)
        self.shadows = wire.option(options, "shadows", True)
        self.reflections = wire.option(options, "reflections", True)
        self.renderer = wire.offscreen(needed=bool(cameras))
        self.model = self.window = self.loaded = None

    @property
    def arguments(self):
        return {"camera_heights": self.size, "camera_widths": self.size, "offsamples": self.offsamples,
                "shadowsize": self.shadowsize, "shadows": self.shadows, "reflections": self.reflections,
                "renderer": self.renderer}

    def images(self, cameras):
        """The images of the hello."""
        return {camera + "_image": [self.size] * 2 for camera in cameras}

    def load(self, model):
        """Makes ready to draw a model. Its settings are changed, which only works before its first image."""
        import mujoco

        self.mujoco, self.model = mujoco, model
        if self.offsamples is not None:
            model.vis.quality.offsamples = self.offsamples
        if self.shadowsize is not None:
            model.vis.quality.shadowsize = self.shadowsize
        model.vis.global_.offwidth = model.vis.global_.offheight = self.size
        if self.window is None:
            self.window = mujoco.GLContext(self.size, self.size)
        self.window.make_current()
        if self.loaded is not None:
            self.loaded.free()
        self.loaded = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.loaded)
        self.scene = mujoco.MjvScene(model, maxgeom=10_000)
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self.shadows
        self.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = self.reflections
        self.shown = mujoco.MjvOption()
        self.view, self.touch = mujoco.MjvCamera(), mujoco.MjvPerturb()
        self.view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self.rectangle = mujoco.MjrRect(0, 0, self.size, self.size)

    def image(self, data, camera):
        """Returns what a camera sees: uint8 [size, size, 3], row 0 at the top."""
        mujoco = self.mujoco
        self.view.fixedcamid = self.model.camera(camera).id
        mujoco.mjv_updateScene(self.model, data, self.shown, self.touch, self.view, mujoco.mjtCatBit.mjCAT_ALL, self.scene)
        self.window.make_current()
        mujoco.mjr_render(self.rectangle, self.scene, self.loaded)
        image = np.empty((self.size, self.size, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, self.rectangle, self.loaded)
        # OpenGL's row 0 is the lowest.
        return image[::-1]
