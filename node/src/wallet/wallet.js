// Fills the invoice field from the camera, where the browser can read QR codes itself. Without that, nothing happens.
"use strict";

const scan = document.getElementById("scan");
const camera = document.getElementById("camera");
const field = document.getElementById("invoice");

if (scan && camera && field && "BarcodeDetector" in window && navigator.mediaDevices?.getUserMedia) {
  scan.hidden = false;
  scan.addEventListener("click", async () => {
    scan.disabled = true;
    let stream;
    try {
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      camera.srcObject = stream;
      camera.hidden = false;
      await camera.play();
      field.value = await firstCode(detector);
      field.form.requestSubmit();
    } catch {
      scan.hidden = true; // no camera, or none allowed: pasting still works
    } finally {
      stream?.getTracks().forEach((track) => track.stop());
      camera.hidden = true;
      scan.disabled = false;
    }
  });
}

async function firstCode(detector) {
  for (;;) {
    const [code] = await detector.detect(camera);
    if (code) return code.rawValue;
    await new Promise((done) => setTimeout(done, 200));
  }
}
