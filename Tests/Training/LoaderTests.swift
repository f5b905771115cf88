import Foundation
import Synchronization
import Testing
import Training

@Suite struct LoaderTests {
  /// Batches come in order although later ones are made first, and never more than one beyond the workers waits.
  @Test(arguments: [1, 2, 4]) func batchesComeInOrder(_ workers: Int) throws {
    let taken = Mutex(5)
    let farthest = Mutex(0)
    let loader = Loader(from: 5, to: 40, workers: workers) { number in
      farthest.withLock { $0 = max($0, number - taken.withLock { $0 }) }
      // The first of each group takes longest.
      usleep(number % workers == 0 ? 2000 : 100)
      return number * number
    }
    defer { loader.stop() }
    for number in 5..<40 {
      #expect(try loader(number) == number * number)
      taken.withLock { $0 = number + 1 }
    }
    // `taken` here may lag one behind what the loader knows.
    #expect(farthest.withLock { $0 } <= workers + 1)
  }

  /// Several workers do work at the same time: each of the first four batches waits for all four.
  @Test func workersWorkAtTheSameTime() throws {
    let arrived = Mutex(0)
    let loader = Loader(from: 0, to: 4, workers: 4) { number in
      arrived.withLock { $0 += 1 }
      let end = Date() + 20
      while arrived.withLock({ $0 }) < 4, Date() < end { usleep(200) }
      return arrived.withLock { $0 }
    }
    defer { loader.stop() }
    for number in 0..<4 { #expect(try loader(number) == 4) }
  }

  private enum Bad: Error, Equatable { case batch(Int) }

  /// What goes wrong with a batch is told where that batch is asked for, not before.
  @Test func failuresBelongToTheirBatch() throws {
    let loader = Loader(from: 0, to: 10, workers: 3) { number in
      if number == 4 { throw Bad.batch(number) }
      return number
    }
    defer { loader.stop() }
    for number in 0..<4 { #expect(try loader(number) == number) }
    #expect(throws: Bad.batch(4)) { try loader(4) }
    #expect(try loader(5) == 5)
  }

  /// After stopping nobody makes anything any more.
  @Test func stoppingWaitsForWhatIsBeingMade() throws {
    let making = Mutex((now: 0, all: 0))
    let loader = Loader(from: 0, to: .max, workers: 3) { number in
      making.withLock { $0 = ($0.now + 1, $0.all + 1) }
      usleep(1000)
      making.withLock { $0.now -= 1 }
      return number
    }
    #expect(try loader(0) == 0)
    loader.stop()
    let all = making.withLock { $0.all }
    #expect(making.withLock { $0.now } == 0)
    usleep(5000)
    #expect(making.withLock { $0.all } == all)
  }
}
