@_exported import Commands
@_exported import Imitation
@_exported import Layers
@_exported import Tensors
