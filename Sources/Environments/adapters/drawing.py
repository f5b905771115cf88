"""Images of MuJoCo models without a screen, for the adapters of simulators that are built on it."""
import numpy as np

import wire

OPTIONS = ["image_size", "offsamples", "shadowsize", "shadows", "reflections", "depth"]
# From OpenCV's axes of a camera (x right, y down, z along the view) to MuJoCo's.
AXES = np.diag([1.0, -1.0, -1.0])


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
        self.depth = wire.option(options, "depth", False)
        self.renderer = wire.offscreen(needed=bool(cameras))
        self.model = self.window = self.loaded = None

    @property
    def arguments(self):
        return {"camera_heights": self.size, "camera_widths": self.size, "offsamples": self.offsamples,
                "shadowsize": self.shadowsize, "shadows": self.shadows, "reflections": self.reflections,
                **({"camera_depths": True} if self.depth else {}), "renderer": self.renderer}

    def images(self, cameras):
        """The images of the hello."""
        return {camera + "_image": [self.size] * 2 for camera in cameras}

    def vectors(self, cameras):
        """The depths and calibrations of the hello."""
        about = {}
        for camera in cameras if self.depth else []:
            about[camera + "_depth"] = wire.vector(self.size**2, "m")
            about[camera + "_calibration"] = wire.vector(16, "4 in pixels, 12 in m", "robot base")
        return about

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

    def seen(self, data, cameras, base, turned=()):
        """What the cameras see, by key.

        - base: the robot's in the world: (position, rotation), m; for calibrations alone.
        - turned: the cameras whose images are turned by 180 degrees.
        """
        seen = {}
        for camera in cameras:
            image, depth = self.image(data, camera)
            turn = camera in turned
            seen[camera + "_image"] = np.rot90(image, 2) if turn else image
            if self.depth:
                seen[camera + "_depth"] = (np.rot90(depth, 2) if turn else depth).ravel()
                seen[camera + "_calibration"] = self.calibration(data, camera, base, turn)
        return seen

    def image(self, data, camera):
        """Returns what a camera sees: uint8 [size, size, 3], row 0 at the top; and meters along its view, [size, size], or None."""
        mujoco = self.mujoco
        self.view.fixedcamid = self.model.camera(camera).id
        mujoco.mjv_updateScene(self.model, data, self.shown, self.touch, self.view, mujoco.mjtCatBit.mjCAT_ALL, self.scene)
        self.window.make_current()
        mujoco.mjr_render(self.rectangle, self.scene, self.loaded)
        image = np.empty((self.size, self.size, 3), np.uint8)
        depth = np.empty((self.size, self.size), np.float32) if self.depth else None
        mujoco.mjr_readPixels(image, depth, self.rectangle, self.loaded)
        # OpenGL's row 0 is the lowest.
        return image[::-1], self.meters(depth[::-1]) if self.depth else None

    def meters(self, depth):
        """Depths of the buffer, 0 at the near plane and 1 at the far one, in meters along the view; 0 where nothing is seen."""
        near, far = (plane * self.model.stat.extent for plane in (self.model.vis.map.znear, self.model.vis.map.zfar))
        meters = near / (1 - depth.astype(np.float64) * (1 - near / far))
        return np.where(depth < 1, meters, 0).astype(np.float32)

    def calibration(self, data, camera, base, turn):
        """fx, fy, cx, cy in pixels, then the 3x4 matrix from the camera, in OpenCV's axes, to the robot's base, row by row."""
        described = self.model.camera(camera)
        if self.model.cam_sensorsize[described.id].any():
            raise wire.Problem("simulator", f"camera {camera} has a sensor of its own, which calibrations do not know")
        focal = self.size / 2 / np.tan(np.deg2rad(described.fovy[0]) / 2)
        placed = data.camera(camera)
        axes = placed.xmat.reshape(3, 3) @ AXES @ (np.diag([-1.0, -1.0, 1.0]) if turn else np.eye(3))
        origin, rotation = base
        matrix = np.column_stack([rotation.T @ axes, rotation.T @ (placed.xpos - origin)])
        return np.concatenate([[focal, focal, self.size / 2, self.size / 2], matrix.ravel()])
