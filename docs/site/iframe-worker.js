// Browsers start no workers for pages opened from a folder. There, the search runs in a hidden frame.
class FrameWorker extends EventTarget {
  constructor(address) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    this.scope = frame.contentWindow;
    this.scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    const script = frame.contentDocument.createElement("script");
    script.src = address;
    this.ready = new Promise((resolve) => (script.onload = resolve));
    frame.contentDocument.body.append(script);
  }

  postMessage(data) {
    this.ready.then(() => {
      this.scope.dispatchEvent(new this.scope.MessageEvent("message", { data }));
    });
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
