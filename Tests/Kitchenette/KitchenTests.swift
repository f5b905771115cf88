#if Kitchenette
  import Kitchenette
  import Testing

  /// One simulator at a time: MuJoCo's renderer belongs to one thread.
  @Suite(.serialized) struct KitchenTests {}

  /// A kitchen without cameras.
  func blindKitchen() throws -> KitchenetteEnvironment {
    try KitchenetteEnvironment(options: .init { $0.cameras = [] })
  }
  /// All that it offers.
  let kitchenTasks = (try? blindKitchen().spec.tasks) ?? []

  /// The action that holds the arm where it is, gripper open.
  let stillness: [Float] = [0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1]
#endif
