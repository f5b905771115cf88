import CKernels
import Dispatch
import Foundation
import Synchronization

/// Runs `body` over `0..<count` in chunks of `grain`, on all cores.
///
/// Chunks are cut by `count` and `grain` alone, never by the number of cores, so results have the same bits everywhere.
package func parallel(count: Int, grain: Int, _ body: @Sendable (Range<Int>) -> Void) {
  let chunks = (count + grain - 1) / max(grain, 1)
  guard chunks > 1 else {
    if count > 0 { body(0..<count) }
    return
  }
  func run(_ chunk: Int) { body(chunk * grain..<min(count, (chunk + 1) * grain)) }
  if !Threads.isSerial, withoutActuallyEscaping(run, do: { Cores.shared.run(chunks: chunks, $0) }) { return }
  for chunk in 0..<chunks { run(chunk) }
}

/// What `body` makes of each of `0..<count`, on all cores.
/// - Throws: what it throws for the first of those for which it does.
package func parallelMap<Value: Sendable, Failure: Error>(
  _ count: Int, _ body: @Sendable (Int) throws(Failure) -> Value
) throws(Failure) -> [Value] {
  let done = Mutex<[Int: Result<Value, Failure>]>([:])
  parallel(count: count, grain: 1) { range in
    for place in range {
      let result = Result { () throws(Failure) in try body(place) }
      done.withLock { $0[place] = result }
    }
  }
  let results = done.withLock { $0 }
  return try (0..<count).map { place throws(Failure) in try results[place]!.get() }
}

/// How many cores this process's arithmetic takes.
package enum Threads {
  /// One: for worker processes, of which there is one a core. Results are the same bits.
  @TaskLocal package static var isSerial = false
}

/// One thread for each core but the caller's.
///
/// A training step is hundreds of short loops one after another. Dispatch's threads go to sleep after each, and waking one
/// costs as much as a small loop; these look for the next loop for some twenty microseconds first.
private final class Cores: @unchecked Sendable {
  static let shared = Cores(helpers: ProcessorCores.count - 1)

  private final class Helper: Sendable {
    let isAsleep = Atomic<Bool>(false)
    let wake = DispatchSemaphore(value: 0)
  }

  private final class Loop {
    let body: (Int) -> Void
    init(_ body: @escaping (Int) -> Void) { self.body = body }
  }

  private let helpers: [Helper]
  private let isBusy = Atomic<Bool>(false)
  /// The loop's number in the upper half, the next chunk in the lower. A chunk is taken by exchanging the whole word, so a
  /// thread that was late cannot take a chunk of one loop with the body of another.
  private let place = Atomic<UInt64>(UInt64(UInt32.max))
  private let chunks = Atomic<UInt64>(0)
  private let loop = Atomic<UInt>(0)
  private let done = Atomic<Int>(0)

  init(helpers count: Int) {
    helpers = (0..<max(0, count)).map { _ in Helper() }
    for helper in helpers {
      let thread = Thread { [unowned self] in self.help(helper) }
      thread.name = "imitation"
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  /// - Returns: false, with nothing done, when another loop is running: one inside this one, or another thread's.
  func run(chunks count: Int, _ body: @escaping (Int) -> Void) -> Bool {
    guard !helpers.isEmpty, count < Int(UInt32.max) else { return false }
    guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    let number = (place.load(ordering: .relaxed) >> 32) &+ 1
    let holder = Loop(body)
    withExtendedLifetime(holder) {
      // Closed while it is set up, then open at chunk 0.
      place.store(number << 32 | UInt64(UInt32.max), ordering: .sequentiallyConsistent)
      done.store(0, ordering: .relaxed)
      chunks.store(UInt64(count), ordering: .relaxed)
      loop.store(UInt(bitPattern: Unmanaged.passUnretained(holder).toOpaque()), ordering: .relaxed)
      place.store(number << 32, ordering: .sequentiallyConsistent)
      for helper in helpers.prefix(count - 1)
      where helper.isAsleep.exchange(false, ordering: .sequentiallyConsistent) {
        helper.wake.signal()
      }
      work()
      var turns = 0
      while done.load(ordering: .acquiring) < count {
        ck_pause()
        turns += 1
        if turns > 10_000 { sched_yield() }
      }
    }
    isBusy.store(false, ordering: .releasing)
    return true
  }

  /// Takes chunks until there are none.
  private func work() {
    while true {
      let now = place.load(ordering: .sequentiallyConsistent)
      let chunk = now & 0xffff_ffff
      let (count, body) = (chunks.load(ordering: .relaxed), loop.load(ordering: .relaxed))
      guard chunk < count else { return }
      let (taken, _) = place.weakCompareExchange(expected: now, desired: now + 1, ordering: .acquiringAndReleasing)
      guard taken else { continue }
      // Taken: the loop cannot end before this chunk is done, so its body is alive.
      let holder = Unmanaged<Loop>.fromOpaque(UnsafeRawPointer(bitPattern: body)!)
      holder._withUnsafeGuaranteedRef { $0.body(Int(chunk)) }
      done.add(1, ordering: .acquiringAndReleasing)
    }
  }

  private func help(_ helper: Helper) {
    var turns = 0
    while true {
      let now = place.load(ordering: .sequentiallyConsistent)
      if now & 0xffff_ffff < chunks.load(ordering: .relaxed) {
        work()
        turns = 0
      }
      ck_pause()
      turns += 1
      guard turns > 1500 else { continue }
      turns = 0
      helper.isAsleep.store(true, ordering: .sequentiallyConsistent)
      let again = place.load(ordering: .sequentiallyConsistent)
      // A loop that came between is seen here, or its caller saw the flag and signals.
      if again & 0xffff_ffff < chunks.load(ordering: .sequentiallyConsistent),
        helper.isAsleep.exchange(false, ordering: .sequentiallyConsistent)
      {
        continue
      }
      helper.wake.wait()
    }
  }
}
