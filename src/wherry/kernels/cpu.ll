; What numpy has no fast word for, in LLVM's assembly language: `compiled.py` has it compiled for the processor at hand.
; 16 numbers at a time; where the processor's vectors are shorter, LLVM takes several.

declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare <16 x float> @llvm.minnum.v16f32(<16 x float>, <16 x float>)
declare <16 x float> @llvm.maxnum.v16f32(<16 x float>, <16 x float>)
declare <16 x float> @llvm.rint.v16f32(<16 x float>)
declare float @llvm.vector.reduce.fadd.v16f32(float, <16 x float>)
declare float @llvm.vector.reduce.fmax.v16f32(<16 x float>)
declare float @llvm.sqrt.f32(float)

; y[r] = sum over c of w[r, c] x[c]: w (rows, cols) float16, x (cols,), y (rows,), cols a multiple of 64. Four sums of 16 lanes a row.
define void @matvec(ptr noalias %w, ptr noalias %x, ptr noalias %y, i64 %rows, i64 %cols) #0 {
entry:
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %fold ]
  %start = mul i64 %r, %cols
  %w.row = getelementptr half, ptr %w, i64 %start
  br label %column
column:
  %c = phi i64 [ 0, %row ], [ %c.next, %column ]
  %s0 = phi <16 x float> [ zeroinitializer, %row ], [ %s0.next, %column ]
  %s1 = phi <16 x float> [ zeroinitializer, %row ], [ %s1.next, %column ]
  %s2 = phi <16 x float> [ zeroinitializer, %row ], [ %s2.next, %column ]
  %s3 = phi <16 x float> [ zeroinitializer, %row ], [ %s3.next, %column ]
  %c0 = add i64 %c, 0
  %w0.at = getelementptr half, ptr %w.row, i64 %c0
  %h0 = load <16 x half>, ptr %w0.at, align 2
  %w0 = fpext <16 x half> %h0 to <16 x float>
  %x0.at = getelementptr float, ptr %x, i64 %c0
  %x0 = load <16 x float>, ptr %x0.at, align 4
  %s0.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %w0, <16 x float> %x0, <16 x float> %s0)
  %c1 = add i64 %c, 16
  %w1.at = getelementptr half, ptr %w.row, i64 %c1
  %h1 = load <16 x half>, ptr %w1.at, align 2
  %w1 = fpext <16 x half> %h1 to <16 x float>
  %x1.at = getelementptr float, ptr %x, i64 %c1
  %x1 = load <16 x float>, ptr %x1.at, align 4
  %s1.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %w1, <16 x float> %x1, <16 x float> %s1)
  %c2 = add i64 %c, 32
  %w2.at = getelementptr half, ptr %w.row, i64 %c2
  %h2 = load <16 x half>, ptr %w2.at, align 2
  %w2 = fpext <16 x half> %h2 to <16 x float>
  %x2.at = getelementptr float, ptr %x, i64 %c2
  %x2 = load <16 x float>, ptr %x2.at, align 4
  %s2.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %w2, <16 x float> %x2, <16 x float> %s2)
  %c3 = add i64 %c, 48
  %w3.at = getelementptr half, ptr %w.row, i64 %c3
  %h3 = load <16 x half>, ptr %w3.at, align 2
  %w3 = fpext <16 x half> %h3 to <16 x float>
  %x3.at = getelementptr float, ptr %x, i64 %c3
  %x3 = load <16 x float>, ptr %x3.at, align 4
  %s3.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %w3, <16 x float> %x3, <16 x float> %s3)
  %c.next = add i64 %c, 64
  %more = icmp ult i64 %c.next, %cols
  br i1 %more, label %column, label %fold
fold:
  %s01 = fadd <16 x float> %s0.next, %s1.next
  %s23 = fadd <16 x float> %s2.next, %s3.next
  %s = fadd <16 x float> %s01, %s23
  %sum = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s)
  %y.r = getelementptr float, ptr %y, i64 %r
  store float %sum, ptr %y.r, align 4
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

; y[b, r] = sum over c of w[r, c] x[b, c] for four b: as `matvec`, each weight read and widened once. The rows of y are `stride` numbers apart.
define void @matvec4(ptr noalias %w, ptr noalias %x, ptr noalias %y, i64 %rows, i64 %cols, i64 %stride) #0 {
entry:
  %x1 = getelementptr float, ptr %x, i64 %cols
  %x2 = getelementptr float, ptr %x1, i64 %cols
  %x3 = getelementptr float, ptr %x2, i64 %cols
  %y1 = getelementptr float, ptr %y, i64 %stride
  %y2 = getelementptr float, ptr %y1, i64 %stride
  %y3 = getelementptr float, ptr %y2, i64 %stride
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %fold ]
  %start = mul i64 %r, %cols
  %w.row = getelementptr half, ptr %w, i64 %start
  br label %column
column:
  %c = phi i64 [ 0, %row ], [ %c.next, %column ]
  %s0a = phi <16 x float> [ zeroinitializer, %row ], [ %s0a.next, %column ]
  %s0b = phi <16 x float> [ zeroinitializer, %row ], [ %s0b.next, %column ]
  %s1a = phi <16 x float> [ zeroinitializer, %row ], [ %s1a.next, %column ]
  %s1b = phi <16 x float> [ zeroinitializer, %row ], [ %s1b.next, %column ]
  %s2a = phi <16 x float> [ zeroinitializer, %row ], [ %s2a.next, %column ]
  %s2b = phi <16 x float> [ zeroinitializer, %row ], [ %s2b.next, %column ]
  %s3a = phi <16 x float> [ zeroinitializer, %row ], [ %s3a.next, %column ]
  %s3b = phi <16 x float> [ zeroinitializer, %row ], [ %s3b.next, %column ]
  %ca = add i64 %c, 0
  %cb = add i64 %c, 16
  %wa.at = getelementptr half, ptr %w.row, i64 %ca
  %ha = load <16 x half>, ptr %wa.at, align 2
  %wa = fpext <16 x half> %ha to <16 x float>
  %x0a.at = getelementptr float, ptr %x, i64 %ca
  %x0a = load <16 x float>, ptr %x0a.at, align 4
  %s0a.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wa, <16 x float> %x0a, <16 x float> %s0a)
  %x1a.at = getelementptr float, ptr %x1, i64 %ca
  %x1a = load <16 x float>, ptr %x1a.at, align 4
  %s1a.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wa, <16 x float> %x1a, <16 x float> %s1a)
  %x2a.at = getelementptr float, ptr %x2, i64 %ca
  %x2a = load <16 x float>, ptr %x2a.at, align 4
  %s2a.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wa, <16 x float> %x2a, <16 x float> %s2a)
  %x3a.at = getelementptr float, ptr %x3, i64 %ca
  %x3a = load <16 x float>, ptr %x3a.at, align 4
  %s3a.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wa, <16 x float> %x3a, <16 x float> %s3a)
  %wb.at = getelementptr half, ptr %w.row, i64 %cb
  %hb = load <16 x half>, ptr %wb.at, align 2
  %wb = fpext <16 x half> %hb to <16 x float>
  %x0b.at = getelementptr float, ptr %x, i64 %cb
  %x0b = load <16 x float>, ptr %x0b.at, align 4
  %s0b.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wb, <16 x float> %x0b, <16 x float> %s0b)
  %x1b.at = getelementptr float, ptr %x1, i64 %cb
  %x1b = load <16 x float>, ptr %x1b.at, align 4
  %s1b.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wb, <16 x float> %x1b, <16 x float> %s1b)
  %x2b.at = getelementptr float, ptr %x2, i64 %cb
  %x2b = load <16 x float>, ptr %x2b.at, align 4
  %s2b.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wb, <16 x float> %x2b, <16 x float> %s2b)
  %x3b.at = getelementptr float, ptr %x3, i64 %cb
  %x3b = load <16 x float>, ptr %x3b.at, align 4
  %s3b.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %wb, <16 x float> %x3b, <16 x float> %s3b)
  %c.next = add i64 %c, 32
  %more = icmp ult i64 %c.next, %cols
  br i1 %more, label %column, label %fold
fold:
  %s0 = fadd <16 x float> %s0a.next, %s0b.next
  %sum0 = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s0)
  %y0.at = getelementptr float, ptr %y, i64 %r
  store float %sum0, ptr %y0.at, align 4
  %s1 = fadd <16 x float> %s1a.next, %s1b.next
  %sum1 = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s1)
  %y1.at = getelementptr float, ptr %y1, i64 %r
  store float %sum1, ptr %y1.at, align 4
  %s2 = fadd <16 x float> %s2a.next, %s2b.next
  %sum2 = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s2)
  %y2.at = getelementptr float, ptr %y2, i64 %r
  store float %sum2, ptr %y2.at, align 4
  %s3 = fadd <16 x float> %s3a.next, %s3b.next
  %sum3 = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s3)
  %y3.at = getelementptr float, ptr %y3, i64 %r
  store float %sum3, ptr %y3.at, align 4
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

; y[i] = w[i], float16 to float32; count a multiple of 16.
define void @widen(ptr noalias %w, ptr noalias %y, i64 %count) #0 {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %w.i = getelementptr half, ptr %w, i64 %i
  %h = load <16 x half>, ptr %w.i, align 2
  %f = fpext <16 x half> %h to <16 x float>
  %y.i = getelementptr float, ptr %y, i64 %i
  store <16 x float> %f, ptr %y.i, align 4
  %i.next = add i64 %i, 16
  %more = icmp ult i64 %i.next, %count
  br i1 %more, label %next, label %done
done:
  ret void
}

; 2^t for -127 < t < 127: the whole part goes into the exponent, the rest (at most a half) through its series.
define internal <16 x float> @power(<16 x float> %t) #1 {
  %n = call <16 x float> @llvm.rint.v16f32(<16 x float> %t)
  %f = fsub <16 x float> %t, %n
  %e6 = call <16 x float> @llvm.fma.v16f32(<16 x float> %f, <16 x float> splat (float 0x3EEFFCBFC0000000), <16 x float> splat (float 0x3F24309120000000))
  %e5 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e6, <16 x float> %f, <16 x float> splat (float 0x3F55D87FE0000000))
  %e4 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e5, <16 x float> %f, <16 x float> splat (float 0x3F83B2AB60000000))
  %e3 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e4, <16 x float> %f, <16 x float> splat (float 0x3FAC6B08E0000000))
  %e2 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e3, <16 x float> %f, <16 x float> splat (float 0x3FCEBFBE00000000))
  %e1 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e2, <16 x float> %f, <16 x float> splat (float 0x3FE62E4300000000))
  %e0 = call <16 x float> @llvm.fma.v16f32(<16 x float> %e1, <16 x float> %f, <16 x float> splat (float 0x3FF0000000000000))
  %n.int = fptosi <16 x float> %n to <16 x i32>
  %n.exponent = shl <16 x i32> %n.int, splat (i32 23)
  %e.bits = bitcast <16 x float> %e0 to <16 x i32>
  %power.bits = add <16 x i32> %e.bits, %n.exponent
  %power = bitcast <16 x i32> %power.bits to <16 x float>
  ret <16 x float> %power
}

; y[r, c] = gelu(y[r, c] + bias[c]) for rows of `cols` numbers (a multiple of 16), `stride` numbers apart.
; gelu(x) = x / (1 + 2^t), t = -2 log2(e) x P(x^2), for erf(x / sqrt 2) = tanh(x P(x^2)); P as in cpu.py, constants in hexadecimal.
define void @bias_gelu(ptr noalias %y, ptr noalias %bias, i64 %rows, i64 %cols, i64 %stride) #0 {
entry:
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %end ]
  %start = mul i64 %r, %stride
  %y.row = getelementptr float, ptr %y, i64 %start
  br label %column
column:
  %c = phi i64 [ 0, %row ], [ %c.next, %column ]
  %y.at = getelementptr float, ptr %y.row, i64 %c
  %b.at = getelementptr float, ptr %bias, i64 %c
  %y.c = load <16 x float>, ptr %y.at, align 4
  %b.c = load <16 x float>, ptr %b.at, align 4
  %x = fadd <16 x float> %y.c, %b.c
  %xx = fmul <16 x float> %x, %x
  %square = call <16 x float> @llvm.minnum.v16f32(<16 x float> %xx, <16 x float> splat (float 0x40C3880000000000))
  %p5 = call <16 x float> @llvm.fma.v16f32(<16 x float> %square, <16 x float> splat (float 0xBE36605BC0000000), <16 x float> splat (float 0x3E99D70640000000))
  %p4 = call <16 x float> @llvm.fma.v16f32(<16 x float> %p5, <16 x float> %square, <16 x float> splat (float 0xBEE8047A40000000))
  %p3 = call <16 x float> @llvm.fma.v16f32(<16 x float> %p4, <16 x float> %square, <16 x float> splat (float 0x3F24E438C0000000))
  %p2 = call <16 x float> @llvm.fma.v16f32(<16 x float> %p3, <16 x float> %square, <16 x float> splat (float 0x3F190F2160000000))
  %p1 = call <16 x float> @llvm.fma.v16f32(<16 x float> %p2, <16 x float> %square, <16 x float> splat (float 0xBFBAD6B380000000))
  %p0 = call <16 x float> @llvm.fma.v16f32(<16 x float> %p1, <16 x float> %square, <16 x float> splat (float 0xC0026AEBA0000000))
  %t.free = fmul <16 x float> %p0, %x
  %t.low = call <16 x float> @llvm.maxnum.v16f32(<16 x float> %t.free, <16 x float> splat (float 0xC05F800000000000))
  %t = call <16 x float> @llvm.minnum.v16f32(<16 x float> %t.low, <16 x float> splat (float 0x405F800000000000))
  %power = call <16 x float> @power(<16 x float> %t)
  %below = fadd <16 x float> %power, splat (float 0x3FF0000000000000)
  %above = call <16 x float> @llvm.maxnum.v16f32(<16 x float> %x, <16 x float> splat (float 0xC059000000000000))
  %gelu = fdiv <16 x float> %above, %below
  store <16 x float> %gelu, ptr %y.at, align 4
  %c.next = add i64 %c, 16
  %more = icmp ult i64 %c.next, %cols
  br i1 %more, label %column, label %end
end:
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

; y[r, c] = (x[r, c] - mean) / sqrt(var + eps) * weight[c] + bias[c] for rows of `cols` numbers, a multiple of 16.
define void @layer_norm(ptr %x, ptr noalias %weight, ptr noalias %bias, ptr %y, i64 %rows, i64 %cols, float %eps) #0 {
entry:
  %cols.i32 = trunc i64 %cols to i32
  %count = uitofp i32 %cols.i32 to float
  %share = fdiv float 1.0, %count
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %end ]
  %start = mul i64 %r, %cols
  %x.row = getelementptr float, ptr %x, i64 %start
  %y.row = getelementptr float, ptr %y, i64 %start
  br label %sum
sum:
  %sum.c = phi i64 [ 0, %row ], [ %sum.next, %sum ]
  %s = phi <16 x float> [ zeroinitializer, %row ], [ %s.next, %sum ]
  %sum.at = getelementptr float, ptr %x.row, i64 %sum.c
  %sum.x = load <16 x float>, ptr %sum.at, align 4
  %s.next = fadd <16 x float> %s, %sum.x
  %sum.next = add i64 %sum.c, 16
  %sum.more = icmp ult i64 %sum.next, %cols
  br i1 %sum.more, label %sum, label %mean
mean:
  %total = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s.next)
  %average = fmul float %total, %share
  %m.one = insertelement <16 x float> poison, float %average, i32 0
  %m = shufflevector <16 x float> %m.one, <16 x float> poison, <16 x i32> zeroinitializer
  br label %spread
spread:
  %spread.c = phi i64 [ 0, %mean ], [ %spread.next, %spread ]
  %v = phi <16 x float> [ zeroinitializer, %mean ], [ %v.next, %spread ]
  %spread.at = getelementptr float, ptr %x.row, i64 %spread.c
  %spread.x = load <16 x float>, ptr %spread.at, align 4
  %spread.d = fsub <16 x float> %spread.x, %m
  %v.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %spread.d, <16 x float> %spread.d, <16 x float> %v)
  %spread.next = add i64 %spread.c, 16
  %spread.more = icmp ult i64 %spread.next, %cols
  br i1 %spread.more, label %spread, label %deviation
deviation:
  %squares = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %v.next)
  %variance = fmul float %squares, %share
  %safe = fadd float %variance, %eps
  %root = call float @llvm.sqrt.f32(float %safe)
  %inverse = fdiv float 1.0, %root
  %i.one = insertelement <16 x float> poison, float %inverse, i32 0
  %i = shufflevector <16 x float> %i.one, <16 x float> poison, <16 x i32> zeroinitializer
  br label %write
write:
  %write.c = phi i64 [ 0, %deviation ], [ %write.next, %write ]
  %write.x.at = getelementptr float, ptr %x.row, i64 %write.c
  %write.w.at = getelementptr float, ptr %weight, i64 %write.c
  %write.b.at = getelementptr float, ptr %bias, i64 %write.c
  %write.y.at = getelementptr float, ptr %y.row, i64 %write.c
  %write.x = load <16 x float>, ptr %write.x.at, align 4
  %write.w = load <16 x float>, ptr %write.w.at, align 4
  %write.b = load <16 x float>, ptr %write.b.at, align 4
  %write.d = fsub <16 x float> %write.x, %m
  %write.n = fmul <16 x float> %write.d, %i
  %write.y = call <16 x float> @llvm.fma.v16f32(<16 x float> %write.n, <16 x float> %write.w, <16 x float> %write.b)
  store <16 x float> %write.y, ptr %write.y.at, align 4
  %write.next = add i64 %write.c, 16
  %write.more = icmp ult i64 %write.next, %cols
  br i1 %write.more, label %write, label %end
end:
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

; One query over the first *length keys: out[h, :] = sum over t of p[h, t] v[t, h, :], p[h, :] = softmax over t of q[h] . k[t, h] scale / log2(e).
; q and out (heads, width), k and v (keys, heads, width), scores (heads, length up to a multiple of 16) scratch; width a multiple of 16.
define void @attend_token(ptr noalias %q, ptr noalias %k, ptr noalias %v, ptr noalias %scores, ptr noalias %out, ptr noalias %length, i64 %heads, i64 %width, float %scale) #0 {
  %keys.i32 = load i32, ptr %length, align 4
  %keys = zext i32 %keys.i32 to i64
  %up = add i64 %keys, 15
  %padded = and i64 %up, -16
  call void @score(ptr %q, ptr %k, ptr %scores, i64 %keys, i64 %padded, i64 %heads, i64 %width, float %scale)
  call void @softmax2(ptr %scores, i64 %heads, i64 %padded)
  call void @weigh(ptr %scores, ptr %v, ptr %out, i64 %keys, i64 %padded, i64 %heads, i64 %width)
  ret void
}

; scores[h, t] = scale q[h] . k[t, h] for t < keys, and -inf from there to the end of the row.
define internal void @score(ptr noalias %q, ptr noalias %k, ptr noalias %scores, i64 %keys, i64 %padded, i64 %heads, i64 %width, float %scale) #1 {
entry:
  %last = sub i64 %padded, 16
  br label %pad
pad:
  %pad.h = phi i64 [ 0, %entry ], [ %pad.next, %pad ]
  %pad.row = mul i64 %pad.h, %padded
  %pad.start = add i64 %pad.row, %last
  %pad.at = getelementptr float, ptr %scores, i64 %pad.start
  store <16 x float> splat (float 0xFFF0000000000000), ptr %pad.at, align 4
  %pad.next = add i64 %pad.h, 1
  %pad.more = icmp ult i64 %pad.next, %heads
  br i1 %pad.more, label %pad, label %key
key:
  %t = phi i64 [ 0, %pad ], [ %t.next, %heads.end ]
  %k.t = phi ptr [ %k, %pad ], [ %k.next, %heads.end ]
  br label %head
head:
  %h = phi i64 [ 0, %key ], [ %h.next, %head.end ]
  %q.h = phi ptr [ %q, %key ], [ %q.next, %head.end ]
  %k.h = phi ptr [ %k.t, %key ], [ %k.next, %head.end ]
  br label %column
column:
  %c = phi i64 [ 0, %head ], [ %c.next, %column ]
  %s = phi <16 x float> [ zeroinitializer, %head ], [ %s.next, %column ]
  %q.at = getelementptr float, ptr %q.h, i64 %c
  %k.at = getelementptr float, ptr %k.h, i64 %c
  %q.c = load <16 x float>, ptr %q.at, align 4
  %k.c = load <16 x float>, ptr %k.at, align 4
  %s.next = call <16 x float> @llvm.fma.v16f32(<16 x float> %q.c, <16 x float> %k.c, <16 x float> %s)
  %c.next = add i64 %c, 16
  %more = icmp ult i64 %c.next, %width
  br i1 %more, label %column, label %head.end
head.end:
  %dot = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s.next)
  %score = fmul float %dot, %scale
  %row = mul i64 %h, %padded
  %place = add i64 %row, %t
  %score.at = getelementptr float, ptr %scores, i64 %place
  store float %score, ptr %score.at, align 4
  %q.next = getelementptr float, ptr %q.h, i64 %width
  %k.next = getelementptr float, ptr %k.h, i64 %width
  %h.next = add i64 %h, 1
  %again = icmp ult i64 %h.next, %heads
  br i1 %again, label %head, label %heads.end
heads.end:
  %t.next = add i64 %t, 1
  %on = icmp ult i64 %t.next, %keys
  br i1 %on, label %key, label %done
done:
  ret void
}

; p[r, :] = 2^p[r, :] / sum of 2^p[r, :], in place; cols a multiple of 16, no row all -inf.
define internal void @softmax2(ptr noalias %p, i64 %rows, i64 %cols) #1 {
entry:
  br label %row
row:
  %r = phi i64 [ 0, %entry ], [ %r.next, %end ]
  %start = mul i64 %r, %cols
  %p.row = getelementptr float, ptr %p, i64 %start
  br label %largest
largest:
  %largest.c = phi i64 [ 0, %row ], [ %largest.next, %largest ]
  %m = phi <16 x float> [ splat (float 0xFFF0000000000000), %row ], [ %m.next, %largest ]
  %largest.at = getelementptr float, ptr %p.row, i64 %largest.c
  %largest.p = load <16 x float>, ptr %largest.at, align 4
  %m.next = call <16 x float> @llvm.maxnum.v16f32(<16 x float> %m, <16 x float> %largest.p)
  %largest.next = add i64 %largest.c, 16
  %largest.more = icmp ult i64 %largest.next, %cols
  br i1 %largest.more, label %largest, label %top
top:
  %top.one = call float @llvm.vector.reduce.fmax.v16f32(<16 x float> %m.next)
  %top.first = insertelement <16 x float> poison, float %top.one, i32 0
  %top.all = shufflevector <16 x float> %top.first, <16 x float> poison, <16 x i32> zeroinitializer
  br label %raise
raise:
  %raise.c = phi i64 [ 0, %top ], [ %raise.next, %raise ]
  %s = phi <16 x float> [ zeroinitializer, %top ], [ %s.next, %raise ]
  %raise.at = getelementptr float, ptr %p.row, i64 %raise.c
  %raise.p = load <16 x float>, ptr %raise.at, align 4
  %raise.free = fsub <16 x float> %raise.p, %top.all
  %raise.t = call <16 x float> @llvm.maxnum.v16f32(<16 x float> %raise.free, <16 x float> splat (float 0xC05F800000000000))
  %raise.e = call <16 x float> @power(<16 x float> %raise.t)
  store <16 x float> %raise.e, ptr %raise.at, align 4
  %s.next = fadd <16 x float> %s, %raise.e
  %raise.next = add i64 %raise.c, 16
  %raise.more = icmp ult i64 %raise.next, %cols
  br i1 %raise.more, label %raise, label %sum
sum:
  %total = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %s.next)
  %share = fdiv float 1.0, %total
  %share.first = insertelement <16 x float> poison, float %share, i32 0
  %share.all = shufflevector <16 x float> %share.first, <16 x float> poison, <16 x i32> zeroinitializer
  br label %divide
divide:
  %divide.c = phi i64 [ 0, %sum ], [ %divide.next, %divide ]
  %divide.at = getelementptr float, ptr %p.row, i64 %divide.c
  %divide.p = load <16 x float>, ptr %divide.at, align 4
  %divide.y = fmul <16 x float> %divide.p, %share.all
  store <16 x float> %divide.y, ptr %divide.at, align 4
  %divide.next = add i64 %divide.c, 16
  %divide.more = icmp ult i64 %divide.next, %cols
  br i1 %divide.more, label %divide, label %end
end:
  %r.next = add i64 %r, 1
  %again = icmp ult i64 %r.next, %rows
  br i1 %again, label %row, label %done
done:
  ret void
}

; out[h, :] = sum over t < keys of p[h, t] v[t, h, :].
define internal void @weigh(ptr noalias %p, ptr noalias %v, ptr noalias %out, i64 %keys, i64 %padded, i64 %heads, i64 %width) #1 {
entry:
  %n = mul i64 %heads, %width
  br label %clear
clear:
  %clear.c = phi i64 [ 0, %entry ], [ %clear.next, %clear ]
  %clear.at = getelementptr float, ptr %out, i64 %clear.c
  store <16 x float> zeroinitializer, ptr %clear.at, align 4
  %clear.next = add i64 %clear.c, 16
  %clear.more = icmp ult i64 %clear.next, %n
  br i1 %clear.more, label %clear, label %key
key:
  %t = phi i64 [ 0, %clear ], [ %t.next, %heads.end ]
  %v.t = phi ptr [ %v, %clear ], [ %v.next, %heads.end ]
  br label %head
head:
  %h = phi i64 [ 0, %key ], [ %h.next, %head.end ]
  %v.h = phi ptr [ %v.t, %key ], [ %v.next, %head.end ]
  %out.h = phi ptr [ %out, %key ], [ %out.next, %head.end ]
  %row = mul i64 %h, %padded
  %place = add i64 %row, %t
  %p.at = getelementptr float, ptr %p, i64 %place
  %p.one = load float, ptr %p.at, align 4
  %p.first = insertelement <16 x float> poison, float %p.one, i32 0
  %p.all = shufflevector <16 x float> %p.first, <16 x float> poison, <16 x i32> zeroinitializer
  br label %column
column:
  %c = phi i64 [ 0, %head ], [ %c.next, %column ]
  %v.at = getelementptr float, ptr %v.h, i64 %c
  %out.at = getelementptr float, ptr %out.h, i64 %c
  %v.c = load <16 x float>, ptr %v.at, align 4
  %out.c = load <16 x float>, ptr %out.at, align 4
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %p.all, <16 x float> %v.c, <16 x float> %out.c)
  store <16 x float> %y, ptr %out.at, align 4
  %c.next = add i64 %c, 16
  %more = icmp ult i64 %c.next, %width
  br i1 %more, label %column, label %head.end
head.end:
  %v.next = getelementptr float, ptr %v.h, i64 %width
  %out.next = getelementptr float, ptr %out.h, i64 %width
  %h.next = add i64 %h, 1
  %again = icmp ult i64 %h.next, %heads
  br i1 %again, label %head, label %heads.end
heads.end:
  %t.next = add i64 %t, 1
  %on = icmp ult i64 %t.next, %keys
  br i1 %on, label %key, label %done
done:
  ret void
}

attributes #0 = { nounwind "prefer-vector-width"="512" }
attributes #1 = { alwaysinline nounwind "prefer-vector-width"="512" }
