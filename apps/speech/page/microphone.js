// The microphone: a recording as a file, and how loud it is meanwhile.

export const available = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

const KINDS = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];

// Begins to record -> a function that ends it and gives the file. `heard` gets seconds and a loudness from 0 to 1, often.
export async function record(heard, name) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [type, ending] = KINDS.find(([kind]) => MediaRecorder.isTypeSupported(kind)) ?? ["", "webm"];
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  recorder.start(1000);
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const began = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    heard((performance.now() - began) / 1000, Math.min(1, Math.sqrt(power) * 4));
  }, 50);
  return () => new Promise((resolve) => {
    recorder.addEventListener("stop", () => {
      clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
      context.close();
      resolve(new File(pieces, `${name}.${ending}`, { type: recorder.mimeType }));
    });
    recorder.stop();
  });
}
