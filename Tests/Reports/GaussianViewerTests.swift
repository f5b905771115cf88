import Foundation
import Reports
import Testing

@Suite struct GaussianViewerTests {
  /// What a fragment carries of a track, read as its description says.
  private struct Carried: Decodable {
    struct Track: Decodable {
      var low, step: [Double]
      var scaleLow, scaleStep: Double
      var frames: [Data]
    }
    var verticalFieldOfView: Double
    var framesPerSecond: Int
    var tracks: [Track]

    init(_ html: String) throws {
      let start = try #require(html.range(of: "const data = "))
      let end = try #require(html.range(of: "]};", range: start.upperBound..<html.endIndex))
      let json = html[start.upperBound..<html.index(before: end.upperBound)]
      self = try JSONDecoder().decode(Carried.self, from: Data(json.utf8))
    }
  }

  private struct Gaussian {
    var mean, scale, rotation, color: [Double]
    var opacity: Double
  }

  private func gaussians(_ track: Carried.Track, _ frame: Int) -> [Gaussian] {
    let bytes = [UInt8](track.frames[frame])
    let count = bytes.count / 17
    #expect(bytes.count == count * 17)
    return (0..<count).map { i in
      Gaussian(
        mean: (0..<3).map { k in
          let at = 2 * (3 * i + k)
          return track.low[k] + track.step[k] * Double(Int(bytes[at]) + Int(bytes[at + 1]) << 8)
        },
        scale: (0..<3).map { exp(track.scaleLow + track.scaleStep * Double(bytes[6 * count + 3 * i + $0])) },
        rotation: (0..<4).map { Double(Int8(bitPattern: bytes[9 * count + 4 * i + $0])) / 127 },
        color: (0..<3).map { Double(bytes[13 * count + 3 * i + $0]) / 255 },
        opacity: Double(bytes[16 * count + i]) / 255)
    }
  }

  private func set(count: Int, seed: UInt64) -> [Float] {
    var state = seed
    func uniform(_ low: Float, _ high: Float) -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return low + (high - low) * Float(state >> 40) / Float(1 << 24)
    }
    return (0..<count).flatMap { _ -> [Float] in
      [uniform(-1, 1), uniform(-0.5, 0.5), uniform(0.3, 3)]
        + (0..<3).map { _ in exp(uniform(-7, -2)) } + (0..<4).map { _ in uniform(-2, 2) }
        + (0..<3).map { _ in uniform(-1.7, 1.7) } + [uniform(0.01, 1)]
    }
  }

  private func viewer(_ tracks: [GaussianViewer.Track]) -> GaussianViewer {
    GaussianViewer(tracks: tracks, verticalFieldOfView: 42.5, framesPerSecond: 5)
  }

  @Test func decodesWithinTheStatedPrecision() throws {
    let frames = [set(count: 257, seed: 1), set(count: 100, seed: 2), []]
    let html = viewer([.init(name: "true", frames: frames), .init(name: "none", frames: [])]).html
    let carried = try Carried(html)
    #expect(carried.verticalFieldOfView == 42.5 && carried.framesPerSecond == 5)
    #expect(carried.tracks.map(\.frames.count) == [3, 0])
    let numbers = frames.joined().map(Double.init)
    let places = stride(from: 0, to: numbers.count, by: 14)
    let extents = (0..<3).map { k in
      places.map { numbers[$0 + k] }.max()! - places.map { numbers[$0 + k] }.min()!
    }
    let scales = places.flatMap { numbers[$0 + 3..<$0 + 6] }
    let scaleLimit = log(scales.max()! / scales.min()!) / 510 + 1e-9
    let decoded = (0..<3).flatMap { gaussians(carried.tracks[0], $0) }
    #expect(decoded.count == 357)
    for (gaussian, at) in zip(decoded, places) {
      let length = numbers[at + 6..<at + 10].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for k in 0..<3 {
        #expect(abs(gaussian.mean[k] - numbers[at + k]) <= extents[k] / 131070 + 1e-9)
        #expect(abs(log(gaussian.scale[k] / numbers[at + 3 + k])) <= scaleLimit)
        let color = 0.28209479177387814 * numbers[at + 10 + k] + 0.5
        #expect(abs(gaussian.color[k] - color) <= 1 / 510 + 1e-9)
      }
      for k in 0..<4 { #expect(abs(gaussian.rotation[k] - numbers[at + 6 + k] / length) <= 1 / 254 + 1e-9) }
      #expect(abs(gaussian.opacity - numbers[at + 13]) <= 1 / 510 + 1e-9)
    }
  }

  @Test func oneGaussianAndExtremesAreKept() throws {
    let one: [Float] = [0.25, -0.5, 1.5, 0, 0.5, 0.01, 2, 0, 0, 0, 9, -9, 0, 7]
    let gaussian = try #require(
      gaussians(Carried(viewer([.init(name: "one", frames: [one])]).html).tracks[0], 0).first)
    #expect(gaussian.mean == [0.25, -0.5, 1.5])
    #expect(abs(gaussian.scale[0] - 1e-5) < 1e-9 && abs(gaussian.scale[1] - 0.5) < 1e-9)
    #expect(gaussian.rotation == [1, 0, 0, 0])
    #expect(gaussian.color[0] == 1 && gaussian.color[1] == 0 && gaussian.opacity == 1)
  }

  @Test func whatCannotBeDrawnKeepsItsPlaceUnseen() throws {
    let good = set(count: 3, seed: 3)
    var (lost, turned, faint) = (Array(good[0..<14]), Array(good[0..<14]), Array(good[0..<14]))
    lost[2] = .nan
    lost[0] = 1e30
    turned.replaceSubrange(6..<10, with: [0, 0, 0, 0])
    faint[13] = -1
    let frame = Array(good[0..<14]) + lost + turned + faint + good[14...]
    let track = try Carried(viewer([.init(name: "a", frames: [frame])]).html).tracks[0]
    let decoded = gaussians(track, 0)
    #expect(decoded.map { $0.opacity > 0 } == [true, false, false, false, true, true])
    // Nor does it widen what the others are measured by.
    #expect(track.step[0] < 2 / 65535.0)
  }

  @Test func aFrameOfAThousandGaussiansIsSmall() {
    let empty = viewer([.init(name: "a", frames: [[]])]).html.utf8.count
    let full = viewer([.init(name: "a", frames: [set(count: 1024, seed: 4)])]).html.utf8.count
    #expect(full - empty < 24_000)
  }

  @Test func namesAreEscapedAndNeverPartOfTheScript() throws {
    let html = viewer([
      .init(name: "</script><img src=x onerror=alert(1)>", frames: [set(count: 2, seed: 5)]),
      .init(name: "\"it's\" & more", frames: []),
    ]).html
    #expect(html.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"))
    #expect(html.contains("&quot;it&#39;s&quot; &amp; more"))
    #expect(!html.contains("<img") && !html.contains("\"it's\"") && !html.contains(" & more"))
    #expect(html.components(separatedBy: "<script>").count == 2)
    #expect(html.components(separatedBy: "</script>").count == 2)
    let script = try #require(html.range(of: "<script>"))
    #expect(!html[script.upperBound...].contains("onerror"))
  }

  @Test func nothingIsFetched() {
    let html = viewer([.init(name: "a", frames: [set(count: 2, seed: 6)])]).html
    for word in ["http:", "https:", "src=", "href=", "@import", "fetch(", "url("] { #expect(!html.contains(word)) }
  }

  @Test func viewersOfOnePageHaveDifferentIdentifiers() throws {
    let identifiers = try (0..<2).map { _ in
      let html = viewer([.init(name: "a", frames: [set(count: 2, seed: 7)])]).html
      let start = try #require(html.range(of: "id=\""))
      return String(html[start.upperBound...].prefix { $0 != "\"" })
    }
    #expect(identifiers[0] != identifiers[1] && identifiers.allSatisfy { $0.hasPrefix("gaussians-") })
  }
}
