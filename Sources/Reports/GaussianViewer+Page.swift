import Media

extension GaussianViewer {
  /// An HTML fragment (style, div and script) to be put into a page; several on one page do not collide.
  package var html: String {
    let names = tracks.map { HTMLPage.escaped($0.name) }
    let moments = tracks.map(\.frames.count).max() ?? 0
    let choices = names.enumerated().map {
      "<button type=\"button\" data-show=\"\($0.offset)\" aria-pressed=\"false\">\($0.element)</button>"
    }
    return """
      <style>\(GaussianViewer.style)</style>
      <div class="gaussian-viewer" id="\(identifier)" role="group" \
      aria-label="Gaussians: \(names.joined(separator: ", "))">
      <div class="row" role="group" aria-label="What is shown"\(names.count > 1 ? "" : " hidden")>
      \(choices.joined(separator: "\n"))
      <button type="button" data-show="all" aria-pressed="true">side by side</button></div>
      <div class="stage" data-part="stage" tabindex="0" role="application" \
      aria-label="View of the Gaussians. Arrow keys turn it, plus and minus zoom, 0 returns to the recorded camera.">
      <div class="names">\(names.map { "<span>\($0)</span>" }.joined())</div></div>
      <div class="row"\(moments > 1 ? "" : " hidden")>
      <button type="button" class="play" data-part="play">play</button>
      <input type="range" data-part="time" min="0" max="\(max(0, moments - 1))" value="0" step="1" aria-label="Moment">
      <output data-part="clock" aria-live="off"></output></div>
      <div class="row" role="group" aria-label="Camera">
      <button type="button" data-part="home">recorded camera</button>
      <button type="button" data-part="turn" aria-pressed="false">turn</button>
      <span class="hint">Drag to orbit. Wheel (after a click), pinch, + or − to zoom.</span></div>
      <noscript>The viewer needs JavaScript.</noscript>
      </div>
      <script>
      (() => {
        const root = document.currentScript.previousElementSibling;
        const data = \(json);
      \(GaussianViewer.script)
      })();
      </script>

      """
  }

  private static let style = """
    .gaussian-viewer { --ink: #1c2430; --dim: #5c6675; --line: #d9dee6; --card: #f5f7fa; --c0: #2563c9;
      color: var(--ink); font: 15px/1.4 system-ui, sans-serif; margin: 0 0 1rem; }
    @media (prefers-color-scheme: dark) { .gaussian-viewer { --ink: #e6e9ef; --dim: #9aa4b2; --line: #333b47;
      --card: #1c222b; --c0: #6ea8ff; } }
    .gaussian-viewer * { box-sizing: border-box; } .gaussian-viewer [hidden] { display: none !important; }
    .gaussian-viewer .row { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: .5rem 0; }
    .gaussian-viewer button { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line);
      border-radius: .4rem; padding: .3rem .8rem; min-height: 2.2rem; cursor: pointer; }
    .gaussian-viewer button[aria-pressed=true] { border-color: var(--c0); color: var(--c0); }
    .gaussian-viewer .play { min-width: 4.6rem; }
    .gaussian-viewer :focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
    .gaussian-viewer .stage { position: relative; background: var(--card); border-radius: .5rem; overflow: hidden;
      cursor: grab; touch-action: pan-y; user-select: none; -webkit-user-select: none; }
    .gaussian-viewer .stage:active { cursor: grabbing; }
    .gaussian-viewer canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
    .gaussian-viewer .names { position: absolute; inset: 0; z-index: 1; display: grid; grid-auto-flow: column;
      grid-auto-columns: minmax(0, 1fr); pointer-events: none; }
    .gaussian-viewer .names.stacked { grid-auto-flow: row; grid-auto-rows: minmax(0, 1fr); }
    .gaussian-viewer .names span { padding: .4rem .7rem; font-weight: 600; overflow: hidden; text-overflow: ellipsis;
      border: 0 solid var(--line); text-shadow: 0 0 4px var(--card), 0 0 4px var(--card), 0 0 2px var(--card); }
    .gaussian-viewer .names span:not([hidden]) ~ span { border-left-width: 1px; }
    .gaussian-viewer .names.stacked span:not([hidden]) ~ span { border-width: 1px 0 0; }
    .gaussian-viewer input { flex: 1 1 8rem; min-width: 0; height: 2.2rem; accent-color: var(--c0); }
    .gaussian-viewer output { color: var(--dim); font-variant-numeric: tabular-nums; white-space: nowrap; }
    .gaussian-viewer .hint { color: var(--dim); font-size: .85rem; }
    """
}
