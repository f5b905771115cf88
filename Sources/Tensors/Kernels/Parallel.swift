import Dispatch

/// Runs `body` over `0..<count` in chunks of `grain`, on all cores.
///
/// Chunks are cut by `count` and `grain` alone, never by the number of cores, so results have the same bits everywhere.
package func parallel(count: Int, grain: Int, _ body: @Sendable (Range<Int>) -> Void) {
  let chunks = (count + grain - 1) / max(grain, 1)
  if chunks > 1, Threads.isSerial {
    for chunk in 0..<chunks { body(chunk * grain..<min(count, (chunk + 1) * grain)) }
    return
  }
  guard chunks > 1 else {
    if count > 0 { body(0..<count) }
    return
  }
  withoutActuallyEscaping(body) { body in
    DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
      body(chunk * grain..<min(count, (chunk + 1) * grain))
    }
  }
}

/// How many cores this process's arithmetic takes.
package enum Threads {
  /// One: for worker processes, of which there is one a core. Results are the same bits.
  @TaskLocal package static var isSerial = false
}
