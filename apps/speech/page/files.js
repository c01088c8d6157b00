// A transcript as a file. Each takes segments {start, end, text}, times in seconds.

const digits = (number, width) => String(number).padStart(width, "0");

// vtt may leave out hours, and openai-whisper does.
function clock(seconds, point) {
  const ms = Math.round(seconds * 1000);
  const [h, m, s] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60, Math.floor(ms / 1000) % 60];
  return `${h || point === "," ? `${digits(h, 2)}:` : ""}${digits(m, 2)}:${digits(s, 2)}${point}${digits(ms % 1000, 3)}`;
}

const line = (segment) => segment.text.trim();
const cue = (segment, point) => `${clock(segment.start, point)} --> ${clock(segment.end, point)}\n${line(segment).replaceAll("-->", "->")}\n\n`;

export const plain = (segments) => segments.map((segment) => `${line(segment)}\n`).join("");

export const FILES = {
  txt: ["text/plain", plain],
  srt: ["application/x-subrip", (segments) => segments.map((segment, i) => `${i + 1}\n${cue(segment, ",")}`).join("")],
  vtt: ["text/vtt", (segments) => "WEBVTT\n\n" + segments.map((segment) => cue(segment, ".")).join("")],
  json: ["application/json", (segments, about) =>
    JSON.stringify({ text: segments.map((segment) => segment.text).join("").trim(), ...about, segments }, null, 2) + "\n"],
};

// 75.3 -> "1:15"
export function short(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${digits(m, 2)}:${digits(s, 2)}` : `${m}:${digits(s, 2)}`;
}
