/// The free parts of one stretch of memory, by offset, none next to another.
package struct FreeStretches: Sendable {
  /// Of the whole.
  package let size: Int
  private var free: [(offset: Int, size: Int)]

  package init(size: Int) {
    self.size = size
    free = [(0, size)]
  }

  /// Whether nothing is taken.
  package var isFree: Bool { free.count == 1 && free[0].size == size }

  /// The smallest free part of at least `size`: its place for `take`, and its size.
  package func bestFit(_ size: Int) -> (place: Int, size: Int)? {
    var best: (place: Int, size: Int)?
    for (place, stretch) in free.enumerated() where stretch.size >= size && stretch.size < best?.size ?? .max {
      best = (place, stretch.size)
    }
    return best
  }

  /// Takes the first `size` of the part at `place`; gives their offset.
  package mutating func take(_ size: Int, at place: Int) -> Int {
    let (offset, found) = free[place]
    if found == size { free.remove(at: place) } else { free[place] = (offset + size, found - size) }
    return offset
  }

  /// Joins what comes back with its neighbors.
  package mutating func give(offset: Int, size: Int) {
    var (low, high) = (0, free.count)
    while low < high {
      let middle = (low + high) / 2
      if free[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    let touchesNext = low < free.count && offset + size == free[low].offset
    if low > 0, free[low - 1].offset + free[low - 1].size == offset {
      free[low - 1].size += size
      if touchesNext {
        free[low - 1].size += free[low].size
        free.remove(at: low)
      }
    } else if touchesNext {
      free[low] = (offset, size + free[low].size)
    } else {
      free.insert((offset, size), at: low)
    }
  }
}
