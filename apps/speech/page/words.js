// What the page says, in each language that it speaks.

import { tongues } from "./tongues.js";

const WORDS = {
  en: {
    title: "Speech to text",
    recording: "Recording",
    drop: "Drop a recording here, or choose one",
    kinds: "wav, mp3, m4a, ogg, flac, webm or the sound of a video, up to 25 MB",
    record: "Record",
    finish: "Finish",
    noMicrophone: "The browser gives the microphone only to pages from this computer or over https.",
    microphoneRefused: "The microphone could not be used: {reason}",
    options: "Options",
    model: "Model",
    language: "Spoken language",
    detect: "Detect",
    prompt: "Names and words to expect",
    translate: "Translate into English",
    cancel: "Stop",
    listening: "Listening …",
    done: "Done",
    stopped: "Stopped",
    nothing: "Nothing was said.",
    copy: "Copy text",
    copied: "Copied",
    download: "Download",
    private: "Your recording goes to this server only, and is forgotten once it is written down.",
    api: "API",
    spoken: "Recording of {time}",
    tooLarge: "The file has {megabytes} MB; up to 25 MB can be taken.",
    offline: "The server does not answer.",
    brokenOff: "The answer broke off before its end.",
    invalid_audio: "This is no recording that can be read. Wav, mp3, m4a, ogg, flac, webm and many others can.",
    empty_file: "The file is empty.",
    too_long: "The recording is longer than this server takes.",
    busy: "The server has too much to do. Try again in a moment.",
    other: "中文",
  },
  zh: {
    title: "语音转文字",
    recording: "录音",
    drop: "将录音拖到这里，或点击选择文件",
    kinds: "支持 wav、mp3、m4a、ogg、flac、webm 以及视频中的声音，最大 25 MB",
    record: "录音",
    finish: "完成",
    noMicrophone: "浏览器只允许本机页面或 https 页面使用麦克风。",
    microphoneRefused: "无法使用麦克风：{reason}",
    options: "选项",
    model: "模型",
    language: "所说语言",
    detect: "自动检测",
    prompt: "可能出现的人名和词语",
    translate: "翻译成英文",
    cancel: "停止",
    listening: "正在听写……",
    done: "完成",
    stopped: "已停止",
    nothing: "没有听到说话声。",
    copy: "复制文字",
    copied: "已复制",
    download: "下载",
    private: "您的录音只会发送到这台服务器，转写完成后即被丢弃。",
    api: "接口说明",
    spoken: "{time} 的录音",
    tooLarge: "文件大小为 {megabytes} MB，最大支持 25 MB。",
    offline: "服务器没有响应。",
    brokenOff: "回答在结束前中断了。",
    invalid_audio: "无法读取这个录音。支持 wav、mp3、m4a、ogg、flac、webm 等多种格式。",
    empty_file: "文件是空的。",
    too_long: "录音超过了这台服务器的时长限制。",
    busy: "服务器正忙，请稍后再试。",
    other: "English",
  },
};

export const { current, known, say, speak, change } = tongues(WORDS);

// The codes of Whisper's vocabulary; their names are the browser's.
const CODES = "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy "
  + "sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht "
  + "ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue";

export function languages() {
  const names = new Intl.DisplayNames([current()], { type: "language" });
  const named = CODES.split(" ").map((code) => [code, names.of(code === "jw" ? "jv" : code)]);
  return named.sort((a, b) => a[1].localeCompare(b[1], current()));
}
