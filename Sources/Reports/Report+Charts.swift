import Foundation
import Media

extension HTMLPage {
  /// Vertical lines at 0, 25, ... 100 % with their labels, as SVG.
  static func rateGrid(left: Double, width: Double, height: Double) -> String {
    (0...4).map { tick in
      let x = left + width * Double(tick) / 4
      return "<line class=\"grid\" x1=\"\(x)\" y1=\"0\" x2=\"\(x)\" y2=\"\(height - 23)\"/>"
        + "<text class=\"dim\" x=\"\(x)\" y=\"\(height - 6)\" text-anchor=\"middle\">\(tick * 25) %</text>"
    }.joined()
  }
}

extension Report {
  /// Success by task and policy as horizontal bars with whiskers.
  var chart: String {
    let policies = result.policies
    let (left, width, bar, gap) = (190.0, 530.0, 16.0, 18.0)
    let group = Double(policies.count) * bar + gap
    let height = Double(tasks.count) * group + 30
    var shapes = HTMLPage.rateGrid(left: left, width: width, height: height)
    for (place, task) in tasks.enumerated() {
      let top = Double(place) * group + gap / 2
      let middle = top + Double(policies.count) * bar / 2 + 5
      shapes +=
        "<text x=\"\(left - 10)\" y=\"\(middle)\" text-anchor=\"end\">\(HTMLPage.shortened(task, limit: 21))</text>"
      for (index, policy) in policies.enumerated() {
        guard let row = row(task, policy) else { continue }
        let y = top + Double(index) * bar
        let center = y + bar / 2 - 1
        shapes += """
          <rect x="\(left)" y="\(y)" width="\(max(1, width * row.rate))" height="\(bar - 3)" rx="2" fill="var(--c\(min(index, 2)))">\
          <title>\(HTMLPage.escaped(policy)): \(row.successes) of \(row.episodes)</title></rect>\
          <line class="whisker" x1="\(left + width * row.low)" x2="\(left + width * row.high)" y1="\(center)" y2="\(center)"/>
          """
      }
    }
    var legend = ""
    for (index, policy) in policies.enumerated() {
      let x = left + Double(index) * 170
      legend +=
        "<rect x=\"\(x)\" y=\"\(height + 6)\" width=\"12\" height=\"12\" rx=\"2\" fill=\"var(--c\(min(index, 2)))\"/>"
      legend += "<text x=\"\(x + 18)\" y=\"\(height + 17)\">\(HTMLPage.escaped(policy))</text>"
    }
    return """
      <svg viewBox="0 0 760 \(height + 26)" role="img" aria-label="Success rate by task and policy">\(shapes)\(legend)</svg>
      """
  }

  /// Training and held-out loss by step.
  var curve: String {
    let all = trainingLoss + validationLoss
    guard let last = all.map(\.step).max(), last > 0, all.count > 1 else {
      return "<p class=\"note\">No losses were logged.</p>"
    }
    // The first steps are far off; the axis follows the rest.
    let values = all.filter { $0.step > last / 50 }.map(\.value).filter(\.isFinite).sorted()
    guard let low = values.first, let high = values.last else { return "" }
    let span = max(high - low, 1e-9)
    let (left, top, width, height) = (60.0, 10.0, 680.0, 240.0)
    func place(_ point: Point) -> String {
      let x = left + width * Double(point.step) / Double(last)
      let y = top + height * (1 - min(1, (point.value - low) / span))
      return String(format: "%.1f,%.1f", x, y)
    }
    var shapes = ""
    for tick in 0...4 {
      let y = top + height * Double(tick) / 4
      shapes += "<line class=\"grid\" x1=\"\(left)\" y1=\"\(y)\" x2=\"\(left + width)\" y2=\"\(y)\"/>"
      let value = high - span * Double(tick) / 4
      shapes +=
        "<text class=\"dim\" x=\"\(left - 8)\" y=\"\(y + 4)\" text-anchor=\"end\">\(String(format: "%.1f", value))</text>"
      let x = left + width * Double(tick) / 4
      shapes +=
        "<text class=\"dim\" x=\"\(x)\" y=\"\(top + height + 20)\" text-anchor=\"middle\">\(last * tick / 4)</text>"
    }
    for (index, curve) in [trainingLoss, validationLoss].enumerated() where curve.count > 1 {
      let points = curve.filter(\.value.isFinite).map(place).joined(separator: " ")
      shapes += """
        <polyline points="\(points)" fill="none" stroke="var(--c\(index))" stroke-width="\(index == 0 ? 1.2 : 2.4)"/>
        """
      let y = top + 18 + Double(index) * 18
      let name = index == 0 ? "training loss" : "held-out loss"
      shapes +=
        "<text x=\"\(left + width - 8)\" y=\"\(y)\" text-anchor=\"end\" style=\"fill: var(--c\(index))\">\(name)</text>"
    }
    return """
      <svg viewBox="0 0 760 290" role="img" aria-label="Loss by training step">\(shapes)\
      <text class="dim" x="\(left + width / 2)" y="286" text-anchor="middle">step</text></svg>
      """
  }
}
