; Made of blocks.c by lower.py.

define void @matvec_f32(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = shl nsw i64 %4, 2
  %11 = icmp slt i64 %5, 4
  %12 = sdiv i64 %4, 32
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %184, %7
  ret void

19:                                               ; preds = %9, %184
  %20 = phi i64 [ 0, %9 ], [ %185, %184 ]
  %21 = mul nsw i64 %10, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %11, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %142, label %184

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %118, %121
  %36 = fadd <16 x float> %124, %127
  %37 = fadd <16 x float> %130, %133
  %38 = fadd <16 x float> %136, %139
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %136, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %130, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %124, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %118, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %139, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %133, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %127, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %121, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %140, %101 ], [ 0, %27 ]
  %111 = shl nsw i64 %110, 7
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load <16 x float>, ptr %112, align 4
  %114 = getelementptr inbounds nuw i8, ptr %112, i64 64
  %115 = load <16 x float>, ptr %114, align 4
  %116 = getelementptr i8, ptr %31, i64 %111
  %117 = load <16 x float>, ptr %116, align 4
  %118 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %113, <16 x float> %117, <16 x float> %105)
  %119 = getelementptr inbounds nuw i8, ptr %116, i64 64
  %120 = load <16 x float>, ptr %119, align 4
  %121 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %115, <16 x float> %120, <16 x float> %109)
  %122 = getelementptr float, ptr %116, i64 %4
  %123 = load <16 x float>, ptr %122, align 4
  %124 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %113, <16 x float> %123, <16 x float> %104)
  %125 = getelementptr inbounds nuw i8, ptr %122, i64 64
  %126 = load <16 x float>, ptr %125, align 4
  %127 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %115, <16 x float> %126, <16 x float> %108)
  %128 = getelementptr i8, ptr %116, i64 %14
  %129 = load <16 x float>, ptr %128, align 4
  %130 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %113, <16 x float> %129, <16 x float> %103)
  %131 = getelementptr inbounds nuw i8, ptr %128, i64 64
  %132 = load <16 x float>, ptr %131, align 4
  %133 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %115, <16 x float> %132, <16 x float> %107)
  %134 = getelementptr i8, ptr %116, i64 %15
  %135 = load <16 x float>, ptr %134, align 4
  %136 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %113, <16 x float> %135, <16 x float> %102)
  %137 = getelementptr inbounds nuw i8, ptr %134, i64 64
  %138 = load <16 x float>, ptr %137, align 4
  %139 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %115, <16 x float> %138, <16 x float> %106)
  %140 = add nuw nsw i64 %110, 1
  %141 = icmp eq i64 %140, %12
  br i1 %141, label %34, label %101

142:                                              ; preds = %24, %150
  %143 = phi i64 [ %165, %150 ], [ %25, %24 ]
  %144 = mul nsw i64 %143, %4
  %145 = getelementptr inbounds float, ptr %1, i64 %144
  %146 = mul nsw i64 %143, %6
  %147 = getelementptr float, ptr %23, i64 %146
  br i1 %13, label %167, label %150

148:                                              ; preds = %167
  %149 = fadd <16 x float> %181, %180
  br label %150

150:                                              ; preds = %148, %142
  %151 = phi <16 x float> [ zeroinitializer, %142 ], [ %149, %148 ]
  %152 = shufflevector <16 x float> %151, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %153 = shufflevector <16 x float> %151, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %154 = fadd <8 x float> %152, %153
  %155 = shufflevector <8 x float> %154, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %156 = shufflevector <8 x float> %154, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %157 = fadd <4 x float> %155, %156
  %158 = shufflevector <4 x float> %157, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %159 = fadd <4 x float> %157, %158
  %160 = shufflevector <4 x float> %157, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %161 = fadd <4 x float> %157, %160
  %162 = shufflevector <4 x float> %161, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %163 = fadd <4 x float> %159, %162
  %164 = extractelement <4 x float> %163, i64 0
  store float %164, ptr %147, align 4
  %165 = add nuw nsw i64 %143, 1
  %166 = icmp eq i64 %165, %5
  br i1 %166, label %184, label %142

167:                                              ; preds = %142, %167
  %168 = phi i64 [ %182, %167 ], [ 0, %142 ]
  %169 = phi <16 x float> [ %180, %167 ], [ zeroinitializer, %142 ]
  %170 = phi <16 x float> [ %181, %167 ], [ zeroinitializer, %142 ]
  %171 = shl nsw i64 %168, 7
  %172 = getelementptr inbounds nuw i8, ptr %22, i64 %171
  %173 = load <16 x float>, ptr %172, align 4
  %174 = getelementptr inbounds nuw i8, ptr %172, i64 64
  %175 = load <16 x float>, ptr %174, align 4
  %176 = getelementptr inbounds nuw i8, ptr %145, i64 %171
  %177 = load <16 x float>, ptr %176, align 4
  %178 = getelementptr inbounds nuw i8, ptr %176, i64 64
  %179 = load <16 x float>, ptr %178, align 4
  %180 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %177, <16 x float> %169)
  %181 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %175, <16 x float> %179, <16 x float> %170)
  %182 = add nuw nsw i64 %168, 1
  %183 = icmp eq i64 %182, %12
  br i1 %183, label %148, label %167

184:                                              ; preds = %150, %24
  %185 = add nuw nsw i64 %20, 1
  %186 = icmp eq i64 %185, %3
  br i1 %186, label %18, label %19
}

define void @widen_f32(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %5, label %22

5:                                                ; preds = %3
  %6 = and i64 %2, 1
  %7 = icmp eq i64 %2, 1
  br i1 %7, label %12, label %8

8:                                                ; preds = %5
  %9 = and i64 %2, 9223372036854775806
  br label %23

10:                                               ; preds = %23
  %11 = icmp eq i64 %6, 0
  br i1 %11, label %22, label %12

12:                                               ; preds = %10, %5
  %13 = phi i64 [ 0, %5 ], [ %41, %10 ]
  %14 = icmp ne i64 %6, 0
  tail call void @llvm.assume(i1 %14)
  %15 = shl nsw i64 %13, 7
  %16 = getelementptr inbounds nuw i8, ptr %1, i64 %15
  %17 = getelementptr inbounds nuw i8, ptr %16, i64 64
  %18 = getelementptr inbounds nuw i8, ptr %0, i64 %15
  %19 = load <16 x float>, ptr %18, align 4
  store <16 x float> %19, ptr %16, align 4
  %20 = getelementptr inbounds nuw i8, ptr %18, i64 64
  %21 = load <16 x float>, ptr %20, align 4
  store <16 x float> %21, ptr %17, align 4
  br label %22

22:                                               ; preds = %12, %10, %3
  ret void

23:                                               ; preds = %23, %8
  %24 = phi i64 [ 0, %8 ], [ %41, %23 ]
  %25 = phi i64 [ 0, %8 ], [ %42, %23 ]
  %26 = shl nsw i64 %24, 7
  %27 = getelementptr inbounds nuw i8, ptr %1, i64 %26
  %28 = getelementptr inbounds nuw i8, ptr %27, i64 64
  %29 = getelementptr inbounds nuw i8, ptr %0, i64 %26
  %30 = load <16 x float>, ptr %29, align 4
  store <16 x float> %30, ptr %27, align 4
  %31 = getelementptr inbounds nuw i8, ptr %29, i64 64
  %32 = load <16 x float>, ptr %31, align 4
  store <16 x float> %32, ptr %28, align 4
  %33 = shl i64 %24, 7
  %34 = or i64 %33, 128
  %35 = getelementptr inbounds nuw i8, ptr %1, i64 %34
  %36 = getelementptr inbounds nuw i8, ptr %35, i64 64
  %37 = getelementptr inbounds nuw i8, ptr %0, i64 %34
  %38 = load <16 x float>, ptr %37, align 4
  store <16 x float> %38, ptr %35, align 4
  %39 = getelementptr inbounds nuw i8, ptr %37, i64 64
  %40 = load <16 x float>, ptr %39, align 4
  store <16 x float> %40, ptr %36, align 4
  %41 = add nuw nsw i64 %24, 2
  %42 = add i64 %25, 2
  %43 = icmp eq i64 %42, %9
  br i1 %43, label %10, label %23
}

define void @matvec_f16(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = shl nsw i64 %4, 1
  %11 = icmp slt i64 %5, 4
  %12 = sdiv i64 %4, 32
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %190, %7
  ret void

19:                                               ; preds = %9, %190
  %20 = phi i64 [ 0, %9 ], [ %191, %190 ]
  %21 = mul nsw i64 %10, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %11, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %145, label %190

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %121, %124
  %36 = fadd <16 x float> %127, %130
  %37 = fadd <16 x float> %133, %136
  %38 = fadd <16 x float> %139, %142
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %139, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %133, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %127, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %121, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %142, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %136, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %130, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %124, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %143, %101 ], [ 0, %27 ]
  %111 = shl nsw i64 %110, 6
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load <16 x half>, ptr %112, align 2
  %114 = fpext <16 x half> %113 to <16 x float>
  %115 = getelementptr inbounds nuw i8, ptr %112, i64 32
  %116 = load <16 x half>, ptr %115, align 2
  %117 = fpext <16 x half> %116 to <16 x float>
  %118 = shl nsw i64 %110, 7
  %119 = getelementptr i8, ptr %31, i64 %118
  %120 = load <16 x float>, ptr %119, align 4
  %121 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %114, <16 x float> %120, <16 x float> %105)
  %122 = getelementptr inbounds nuw i8, ptr %119, i64 64
  %123 = load <16 x float>, ptr %122, align 4
  %124 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %117, <16 x float> %123, <16 x float> %109)
  %125 = getelementptr float, ptr %119, i64 %4
  %126 = load <16 x float>, ptr %125, align 4
  %127 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %114, <16 x float> %126, <16 x float> %104)
  %128 = getelementptr inbounds nuw i8, ptr %125, i64 64
  %129 = load <16 x float>, ptr %128, align 4
  %130 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %117, <16 x float> %129, <16 x float> %108)
  %131 = getelementptr i8, ptr %119, i64 %14
  %132 = load <16 x float>, ptr %131, align 4
  %133 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %114, <16 x float> %132, <16 x float> %103)
  %134 = getelementptr inbounds nuw i8, ptr %131, i64 64
  %135 = load <16 x float>, ptr %134, align 4
  %136 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %117, <16 x float> %135, <16 x float> %107)
  %137 = getelementptr i8, ptr %119, i64 %15
  %138 = load <16 x float>, ptr %137, align 4
  %139 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %114, <16 x float> %138, <16 x float> %102)
  %140 = getelementptr inbounds nuw i8, ptr %137, i64 64
  %141 = load <16 x float>, ptr %140, align 4
  %142 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %117, <16 x float> %141, <16 x float> %106)
  %143 = add nuw nsw i64 %110, 1
  %144 = icmp eq i64 %143, %12
  br i1 %144, label %34, label %101

145:                                              ; preds = %24, %153
  %146 = phi i64 [ %168, %153 ], [ %25, %24 ]
  %147 = mul nsw i64 %146, %4
  %148 = getelementptr inbounds float, ptr %1, i64 %147
  %149 = mul nsw i64 %146, %6
  %150 = getelementptr float, ptr %23, i64 %149
  br i1 %13, label %170, label %153

151:                                              ; preds = %170
  %152 = fadd <16 x float> %187, %186
  br label %153

153:                                              ; preds = %151, %145
  %154 = phi <16 x float> [ zeroinitializer, %145 ], [ %152, %151 ]
  %155 = shufflevector <16 x float> %154, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %156 = shufflevector <16 x float> %154, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %157 = fadd <8 x float> %155, %156
  %158 = shufflevector <8 x float> %157, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %159 = shufflevector <8 x float> %157, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %160 = fadd <4 x float> %158, %159
  %161 = shufflevector <4 x float> %160, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %162 = fadd <4 x float> %160, %161
  %163 = shufflevector <4 x float> %160, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %164 = fadd <4 x float> %160, %163
  %165 = shufflevector <4 x float> %164, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %166 = fadd <4 x float> %162, %165
  %167 = extractelement <4 x float> %166, i64 0
  store float %167, ptr %150, align 4
  %168 = add nuw nsw i64 %146, 1
  %169 = icmp eq i64 %168, %5
  br i1 %169, label %190, label %145

170:                                              ; preds = %145, %170
  %171 = phi i64 [ %188, %170 ], [ 0, %145 ]
  %172 = phi <16 x float> [ %186, %170 ], [ zeroinitializer, %145 ]
  %173 = phi <16 x float> [ %187, %170 ], [ zeroinitializer, %145 ]
  %174 = shl nsw i64 %171, 6
  %175 = getelementptr inbounds nuw i8, ptr %22, i64 %174
  %176 = load <16 x half>, ptr %175, align 2
  %177 = fpext <16 x half> %176 to <16 x float>
  %178 = getelementptr inbounds nuw i8, ptr %175, i64 32
  %179 = load <16 x half>, ptr %178, align 2
  %180 = fpext <16 x half> %179 to <16 x float>
  %181 = shl nsw i64 %171, 7
  %182 = getelementptr inbounds nuw i8, ptr %148, i64 %181
  %183 = load <16 x float>, ptr %182, align 4
  %184 = getelementptr inbounds nuw i8, ptr %182, i64 64
  %185 = load <16 x float>, ptr %184, align 4
  %186 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %177, <16 x float> %183, <16 x float> %172)
  %187 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %180, <16 x float> %185, <16 x float> %173)
  %188 = add nuw nsw i64 %171, 1
  %189 = icmp eq i64 %188, %12
  br i1 %189, label %151, label %170

190:                                              ; preds = %153, %24
  %191 = add nuw nsw i64 %20, 1
  %192 = icmp eq i64 %191, %3
  br i1 %192, label %18, label %19
}

define void @widen_f16(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %5, label %25

5:                                                ; preds = %3
  %6 = and i64 %2, 1
  %7 = icmp eq i64 %2, 1
  br i1 %7, label %12, label %8

8:                                                ; preds = %5
  %9 = and i64 %2, 9223372036854775806
  br label %26

10:                                               ; preds = %26
  %11 = icmp eq i64 %6, 0
  br i1 %11, label %25, label %12

12:                                               ; preds = %10, %5
  %13 = phi i64 [ 0, %5 ], [ %50, %10 ]
  %14 = icmp ne i64 %6, 0
  tail call void @llvm.assume(i1 %14)
  %15 = shl nsw i64 %13, 7
  %16 = getelementptr inbounds nuw i8, ptr %1, i64 %15
  %17 = getelementptr inbounds nuw i8, ptr %16, i64 64
  %18 = shl nsw i64 %13, 6
  %19 = getelementptr inbounds nuw i8, ptr %0, i64 %18
  %20 = load <16 x half>, ptr %19, align 2
  %21 = fpext <16 x half> %20 to <16 x float>
  store <16 x float> %21, ptr %16, align 4
  %22 = getelementptr inbounds nuw i8, ptr %19, i64 32
  %23 = load <16 x half>, ptr %22, align 2
  %24 = fpext <16 x half> %23 to <16 x float>
  store <16 x float> %24, ptr %17, align 4
  br label %25

25:                                               ; preds = %12, %10, %3
  ret void

26:                                               ; preds = %26, %8
  %27 = phi i64 [ 0, %8 ], [ %50, %26 ]
  %28 = phi i64 [ 0, %8 ], [ %51, %26 ]
  %29 = shl nsw i64 %27, 7
  %30 = getelementptr inbounds nuw i8, ptr %1, i64 %29
  %31 = getelementptr inbounds nuw i8, ptr %30, i64 64
  %32 = shl nsw i64 %27, 6
  %33 = getelementptr inbounds nuw i8, ptr %0, i64 %32
  %34 = load <16 x half>, ptr %33, align 2
  %35 = fpext <16 x half> %34 to <16 x float>
  store <16 x float> %35, ptr %30, align 4
  %36 = getelementptr inbounds nuw i8, ptr %33, i64 32
  %37 = load <16 x half>, ptr %36, align 2
  %38 = fpext <16 x half> %37 to <16 x float>
  store <16 x float> %38, ptr %31, align 4
  %39 = or i64 %27, 1
  %40 = shl nsw i64 %39, 7
  %41 = getelementptr inbounds nuw i8, ptr %1, i64 %40
  %42 = getelementptr inbounds nuw i8, ptr %41, i64 64
  %43 = shl nsw i64 %39, 6
  %44 = getelementptr inbounds nuw i8, ptr %0, i64 %43
  %45 = load <16 x half>, ptr %44, align 2
  %46 = fpext <16 x half> %45 to <16 x float>
  store <16 x float> %46, ptr %41, align 4
  %47 = getelementptr inbounds nuw i8, ptr %44, i64 32
  %48 = load <16 x half>, ptr %47, align 2
  %49 = fpext <16 x half> %48 to <16 x float>
  store <16 x float> %49, ptr %42, align 4
  %50 = add nuw nsw i64 %27, 2
  %51 = add i64 %28, 2
  %52 = icmp eq i64 %51, %9
  br i1 %52, label %10, label %26
}

define void @matvec_bf16(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = shl nsw i64 %4, 1
  %11 = icmp slt i64 %5, 4
  %12 = sdiv i64 %4, 32
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %198, %7
  ret void

19:                                               ; preds = %9, %198
  %20 = phi i64 [ 0, %9 ], [ %199, %198 ]
  %21 = mul nsw i64 %10, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %11, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %149, label %198

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %125, %128
  %36 = fadd <16 x float> %131, %134
  %37 = fadd <16 x float> %137, %140
  %38 = fadd <16 x float> %143, %146
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %143, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %137, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %131, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %125, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %146, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %140, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %134, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %128, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %147, %101 ], [ 0, %27 ]
  %111 = shl nsw i64 %110, 6
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load <16 x i16>, ptr %112, align 2
  %114 = zext <16 x i16> %113 to <16 x i32>
  %115 = shl nuw <16 x i32> %114, splat (i32 16)
  %116 = bitcast <16 x i32> %115 to <16 x float>
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 32
  %118 = load <16 x i16>, ptr %117, align 2
  %119 = zext <16 x i16> %118 to <16 x i32>
  %120 = shl nuw <16 x i32> %119, splat (i32 16)
  %121 = bitcast <16 x i32> %120 to <16 x float>
  %122 = shl nsw i64 %110, 7
  %123 = getelementptr i8, ptr %31, i64 %122
  %124 = load <16 x float>, ptr %123, align 4
  %125 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %116, <16 x float> %124, <16 x float> %105)
  %126 = getelementptr inbounds nuw i8, ptr %123, i64 64
  %127 = load <16 x float>, ptr %126, align 4
  %128 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %121, <16 x float> %127, <16 x float> %109)
  %129 = getelementptr float, ptr %123, i64 %4
  %130 = load <16 x float>, ptr %129, align 4
  %131 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %116, <16 x float> %130, <16 x float> %104)
  %132 = getelementptr inbounds nuw i8, ptr %129, i64 64
  %133 = load <16 x float>, ptr %132, align 4
  %134 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %121, <16 x float> %133, <16 x float> %108)
  %135 = getelementptr i8, ptr %123, i64 %14
  %136 = load <16 x float>, ptr %135, align 4
  %137 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %116, <16 x float> %136, <16 x float> %103)
  %138 = getelementptr inbounds nuw i8, ptr %135, i64 64
  %139 = load <16 x float>, ptr %138, align 4
  %140 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %121, <16 x float> %139, <16 x float> %107)
  %141 = getelementptr i8, ptr %123, i64 %15
  %142 = load <16 x float>, ptr %141, align 4
  %143 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %116, <16 x float> %142, <16 x float> %102)
  %144 = getelementptr inbounds nuw i8, ptr %141, i64 64
  %145 = load <16 x float>, ptr %144, align 4
  %146 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %121, <16 x float> %145, <16 x float> %106)
  %147 = add nuw nsw i64 %110, 1
  %148 = icmp eq i64 %147, %12
  br i1 %148, label %34, label %101

149:                                              ; preds = %24, %157
  %150 = phi i64 [ %172, %157 ], [ %25, %24 ]
  %151 = mul nsw i64 %150, %4
  %152 = getelementptr inbounds float, ptr %1, i64 %151
  %153 = mul nsw i64 %150, %6
  %154 = getelementptr float, ptr %23, i64 %153
  br i1 %13, label %174, label %157

155:                                              ; preds = %174
  %156 = fadd <16 x float> %195, %194
  br label %157

157:                                              ; preds = %155, %149
  %158 = phi <16 x float> [ zeroinitializer, %149 ], [ %156, %155 ]
  %159 = shufflevector <16 x float> %158, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %160 = shufflevector <16 x float> %158, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %161 = fadd <8 x float> %159, %160
  %162 = shufflevector <8 x float> %161, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %163 = shufflevector <8 x float> %161, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %164 = fadd <4 x float> %162, %163
  %165 = shufflevector <4 x float> %164, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %166 = fadd <4 x float> %164, %165
  %167 = shufflevector <4 x float> %164, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %168 = fadd <4 x float> %164, %167
  %169 = shufflevector <4 x float> %168, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %170 = fadd <4 x float> %166, %169
  %171 = extractelement <4 x float> %170, i64 0
  store float %171, ptr %154, align 4
  %172 = add nuw nsw i64 %150, 1
  %173 = icmp eq i64 %172, %5
  br i1 %173, label %198, label %149

174:                                              ; preds = %149, %174
  %175 = phi i64 [ %196, %174 ], [ 0, %149 ]
  %176 = phi <16 x float> [ %194, %174 ], [ zeroinitializer, %149 ]
  %177 = phi <16 x float> [ %195, %174 ], [ zeroinitializer, %149 ]
  %178 = shl nsw i64 %175, 6
  %179 = getelementptr inbounds nuw i8, ptr %22, i64 %178
  %180 = load <16 x i16>, ptr %179, align 2
  %181 = zext <16 x i16> %180 to <16 x i32>
  %182 = shl nuw <16 x i32> %181, splat (i32 16)
  %183 = bitcast <16 x i32> %182 to <16 x float>
  %184 = getelementptr inbounds nuw i8, ptr %179, i64 32
  %185 = load <16 x i16>, ptr %184, align 2
  %186 = zext <16 x i16> %185 to <16 x i32>
  %187 = shl nuw <16 x i32> %186, splat (i32 16)
  %188 = bitcast <16 x i32> %187 to <16 x float>
  %189 = shl nsw i64 %175, 7
  %190 = getelementptr inbounds nuw i8, ptr %152, i64 %189
  %191 = load <16 x float>, ptr %190, align 4
  %192 = getelementptr inbounds nuw i8, ptr %190, i64 64
  %193 = load <16 x float>, ptr %192, align 4
  %194 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %183, <16 x float> %191, <16 x float> %176)
  %195 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %188, <16 x float> %193, <16 x float> %177)
  %196 = add nuw nsw i64 %175, 1
  %197 = icmp eq i64 %196, %12
  br i1 %197, label %155, label %174

198:                                              ; preds = %157, %24
  %199 = add nuw nsw i64 %20, 1
  %200 = icmp eq i64 %199, %3
  br i1 %200, label %18, label %19
}

define void @widen_bf16(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %20, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = shl nsw i64 %7, 6
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load <16 x i16>, ptr %12, align 2
  %14 = zext <16 x i16> %13 to <16 x i32>
  %15 = shl nuw <16 x i32> %14, splat (i32 16)
  store <16 x i32> %15, ptr %9, align 4
  %16 = getelementptr inbounds nuw i8, ptr %12, i64 32
  %17 = load <16 x i16>, ptr %16, align 2
  %18 = zext <16 x i16> %17 to <16 x i32>
  %19 = shl nuw <16 x i32> %18, splat (i32 16)
  store <16 x i32> %19, ptr %10, align 4
  %20 = add nuw nsw i64 %7, 1
  %21 = icmp eq i64 %20, %2
  br i1 %21, label %5, label %6
}

define void @matvec_q4_0(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 32
  %11 = mul nsw i64 %10, 18
  %12 = icmp slt i64 %5, 4
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %208, %7
  ret void

19:                                               ; preds = %9, %208
  %20 = phi i64 [ 0, %9 ], [ %209, %208 ]
  %21 = mul nsw i64 %11, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %12, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %154, label %208

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %130, %133
  %36 = fadd <16 x float> %136, %139
  %37 = fadd <16 x float> %142, %145
  %38 = fadd <16 x float> %148, %151
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %148, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %142, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %136, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %130, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %151, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %145, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %139, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %133, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %152, %101 ], [ 0, %27 ]
  %111 = mul nuw nsw i64 %110, 18
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load half, ptr %112, align 1
  %114 = fpext half %113 to float
  %115 = insertelement <16 x float> poison, float %114, i64 0
  %116 = shufflevector <16 x float> %115, <16 x float> poison, <16 x i32> zeroinitializer
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 2
  %118 = load <16 x i8>, ptr %117, align 1
  %119 = and <16 x i8> %118, splat (i8 15)
  %120 = uitofp <16 x i8> %119 to <16 x float>
  %121 = fadd <16 x float> %120, splat (float -8.000000e+00)
  %122 = fmul <16 x float> %116, %121
  %123 = lshr <16 x i8> %118, splat (i8 4)
  %124 = uitofp <16 x i8> %123 to <16 x float>
  %125 = fadd <16 x float> %124, splat (float -8.000000e+00)
  %126 = fmul <16 x float> %116, %125
  %127 = shl nsw i64 %110, 7
  %128 = getelementptr i8, ptr %31, i64 %127
  %129 = load <16 x float>, ptr %128, align 4
  %130 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %122, <16 x float> %129, <16 x float> %105)
  %131 = getelementptr inbounds nuw i8, ptr %128, i64 64
  %132 = load <16 x float>, ptr %131, align 4
  %133 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %132, <16 x float> %109)
  %134 = getelementptr float, ptr %128, i64 %4
  %135 = load <16 x float>, ptr %134, align 4
  %136 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %122, <16 x float> %135, <16 x float> %104)
  %137 = getelementptr inbounds nuw i8, ptr %134, i64 64
  %138 = load <16 x float>, ptr %137, align 4
  %139 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %138, <16 x float> %108)
  %140 = getelementptr i8, ptr %128, i64 %14
  %141 = load <16 x float>, ptr %140, align 4
  %142 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %122, <16 x float> %141, <16 x float> %103)
  %143 = getelementptr inbounds nuw i8, ptr %140, i64 64
  %144 = load <16 x float>, ptr %143, align 4
  %145 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %144, <16 x float> %107)
  %146 = getelementptr i8, ptr %128, i64 %15
  %147 = load <16 x float>, ptr %146, align 4
  %148 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %122, <16 x float> %147, <16 x float> %102)
  %149 = getelementptr inbounds nuw i8, ptr %146, i64 64
  %150 = load <16 x float>, ptr %149, align 4
  %151 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %150, <16 x float> %106)
  %152 = add nuw nsw i64 %110, 1
  %153 = icmp eq i64 %152, %10
  br i1 %153, label %34, label %101

154:                                              ; preds = %24, %162
  %155 = phi i64 [ %177, %162 ], [ %25, %24 ]
  %156 = mul nsw i64 %155, %4
  %157 = getelementptr inbounds float, ptr %1, i64 %156
  %158 = mul nsw i64 %155, %6
  %159 = getelementptr float, ptr %23, i64 %158
  br i1 %13, label %179, label %162

160:                                              ; preds = %179
  %161 = fadd <16 x float> %205, %204
  br label %162

162:                                              ; preds = %160, %154
  %163 = phi <16 x float> [ zeroinitializer, %154 ], [ %161, %160 ]
  %164 = shufflevector <16 x float> %163, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %165 = shufflevector <16 x float> %163, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %166 = fadd <8 x float> %164, %165
  %167 = shufflevector <8 x float> %166, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %168 = shufflevector <8 x float> %166, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %169 = fadd <4 x float> %167, %168
  %170 = shufflevector <4 x float> %169, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %171 = fadd <4 x float> %169, %170
  %172 = shufflevector <4 x float> %169, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %173 = fadd <4 x float> %169, %172
  %174 = shufflevector <4 x float> %173, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %175 = fadd <4 x float> %171, %174
  %176 = extractelement <4 x float> %175, i64 0
  store float %176, ptr %159, align 4
  %177 = add nuw nsw i64 %155, 1
  %178 = icmp eq i64 %177, %5
  br i1 %178, label %208, label %154

179:                                              ; preds = %154, %179
  %180 = phi i64 [ %206, %179 ], [ 0, %154 ]
  %181 = phi <16 x float> [ %204, %179 ], [ zeroinitializer, %154 ]
  %182 = phi <16 x float> [ %205, %179 ], [ zeroinitializer, %154 ]
  %183 = mul nuw nsw i64 %180, 18
  %184 = getelementptr inbounds nuw i8, ptr %22, i64 %183
  %185 = load half, ptr %184, align 1
  %186 = fpext half %185 to float
  %187 = insertelement <16 x float> poison, float %186, i64 0
  %188 = shufflevector <16 x float> %187, <16 x float> poison, <16 x i32> zeroinitializer
  %189 = getelementptr inbounds nuw i8, ptr %184, i64 2
  %190 = load <16 x i8>, ptr %189, align 1
  %191 = and <16 x i8> %190, splat (i8 15)
  %192 = uitofp <16 x i8> %191 to <16 x float>
  %193 = fadd <16 x float> %192, splat (float -8.000000e+00)
  %194 = fmul <16 x float> %188, %193
  %195 = lshr <16 x i8> %190, splat (i8 4)
  %196 = uitofp <16 x i8> %195 to <16 x float>
  %197 = fadd <16 x float> %196, splat (float -8.000000e+00)
  %198 = fmul <16 x float> %188, %197
  %199 = shl nsw i64 %180, 7
  %200 = getelementptr inbounds nuw i8, ptr %157, i64 %199
  %201 = load <16 x float>, ptr %200, align 4
  %202 = getelementptr inbounds nuw i8, ptr %200, i64 64
  %203 = load <16 x float>, ptr %202, align 4
  %204 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %194, <16 x float> %201, <16 x float> %181)
  %205 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %198, <16 x float> %203, <16 x float> %182)
  %206 = add nuw nsw i64 %180, 1
  %207 = icmp eq i64 %206, %10
  br i1 %207, label %160, label %179

208:                                              ; preds = %162, %24
  %209 = add nuw nsw i64 %20, 1
  %210 = icmp eq i64 %209, %3
  br i1 %210, label %18, label %19
}

define void @widen_q4_0(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %27, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = mul nuw nsw i64 %7, 18
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load half, ptr %12, align 1
  %14 = fpext half %13 to float
  %15 = insertelement <16 x float> poison, float %14, i64 0
  %16 = shufflevector <16 x float> %15, <16 x float> poison, <16 x i32> zeroinitializer
  %17 = getelementptr inbounds nuw i8, ptr %12, i64 2
  %18 = load <16 x i8>, ptr %17, align 1
  %19 = and <16 x i8> %18, splat (i8 15)
  %20 = uitofp <16 x i8> %19 to <16 x float>
  %21 = fadd <16 x float> %20, splat (float -8.000000e+00)
  %22 = fmul <16 x float> %16, %21
  store <16 x float> %22, ptr %9, align 4
  %23 = lshr <16 x i8> %18, splat (i8 4)
  %24 = uitofp <16 x i8> %23 to <16 x float>
  %25 = fadd <16 x float> %24, splat (float -8.000000e+00)
  %26 = fmul <16 x float> %16, %25
  store <16 x float> %26, ptr %10, align 4
  %27 = add nuw nsw i64 %7, 1
  %28 = icmp eq i64 %27, %2
  br i1 %28, label %5, label %6
}

define void @matvec_q4_1(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 32
  %11 = mul nsw i64 %10, 20
  %12 = icmp slt i64 %5, 4
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %214, %7
  ret void

19:                                               ; preds = %9, %214
  %20 = phi i64 [ 0, %9 ], [ %215, %214 ]
  %21 = mul nsw i64 %11, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %12, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %157, label %214

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %133, %136
  %36 = fadd <16 x float> %139, %142
  %37 = fadd <16 x float> %145, %148
  %38 = fadd <16 x float> %151, %154
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %151, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %145, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %139, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %133, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %154, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %148, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %142, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %136, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %155, %101 ], [ 0, %27 ]
  %111 = mul nuw nsw i64 %110, 20
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load half, ptr %112, align 1
  %114 = fpext half %113 to float
  %115 = insertelement <16 x float> poison, float %114, i64 0
  %116 = shufflevector <16 x float> %115, <16 x float> poison, <16 x i32> zeroinitializer
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 2
  %118 = load half, ptr %117, align 1
  %119 = fpext half %118 to float
  %120 = insertelement <16 x float> poison, float %119, i64 0
  %121 = shufflevector <16 x float> %120, <16 x float> poison, <16 x i32> zeroinitializer
  %122 = getelementptr inbounds nuw i8, ptr %112, i64 4
  %123 = load <16 x i8>, ptr %122, align 1
  %124 = and <16 x i8> %123, splat (i8 15)
  %125 = uitofp <16 x i8> %124 to <16 x float>
  %126 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %125, <16 x float> %116, <16 x float> %121)
  %127 = lshr <16 x i8> %123, splat (i8 4)
  %128 = uitofp <16 x i8> %127 to <16 x float>
  %129 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %128, <16 x float> %116, <16 x float> %121)
  %130 = shl nsw i64 %110, 7
  %131 = getelementptr i8, ptr %31, i64 %130
  %132 = load <16 x float>, ptr %131, align 4
  %133 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %132, <16 x float> %105)
  %134 = getelementptr inbounds nuw i8, ptr %131, i64 64
  %135 = load <16 x float>, ptr %134, align 4
  %136 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %129, <16 x float> %135, <16 x float> %109)
  %137 = getelementptr float, ptr %131, i64 %4
  %138 = load <16 x float>, ptr %137, align 4
  %139 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %138, <16 x float> %104)
  %140 = getelementptr inbounds nuw i8, ptr %137, i64 64
  %141 = load <16 x float>, ptr %140, align 4
  %142 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %129, <16 x float> %141, <16 x float> %108)
  %143 = getelementptr i8, ptr %131, i64 %14
  %144 = load <16 x float>, ptr %143, align 4
  %145 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %144, <16 x float> %103)
  %146 = getelementptr inbounds nuw i8, ptr %143, i64 64
  %147 = load <16 x float>, ptr %146, align 4
  %148 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %129, <16 x float> %147, <16 x float> %107)
  %149 = getelementptr i8, ptr %131, i64 %15
  %150 = load <16 x float>, ptr %149, align 4
  %151 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %126, <16 x float> %150, <16 x float> %102)
  %152 = getelementptr inbounds nuw i8, ptr %149, i64 64
  %153 = load <16 x float>, ptr %152, align 4
  %154 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %129, <16 x float> %153, <16 x float> %106)
  %155 = add nuw nsw i64 %110, 1
  %156 = icmp eq i64 %155, %10
  br i1 %156, label %34, label %101

157:                                              ; preds = %24, %165
  %158 = phi i64 [ %180, %165 ], [ %25, %24 ]
  %159 = mul nsw i64 %158, %4
  %160 = getelementptr inbounds float, ptr %1, i64 %159
  %161 = mul nsw i64 %158, %6
  %162 = getelementptr float, ptr %23, i64 %161
  br i1 %13, label %182, label %165

163:                                              ; preds = %182
  %164 = fadd <16 x float> %211, %210
  br label %165

165:                                              ; preds = %163, %157
  %166 = phi <16 x float> [ zeroinitializer, %157 ], [ %164, %163 ]
  %167 = shufflevector <16 x float> %166, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %168 = shufflevector <16 x float> %166, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %169 = fadd <8 x float> %167, %168
  %170 = shufflevector <8 x float> %169, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %171 = shufflevector <8 x float> %169, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %172 = fadd <4 x float> %170, %171
  %173 = shufflevector <4 x float> %172, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %174 = fadd <4 x float> %172, %173
  %175 = shufflevector <4 x float> %172, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %176 = fadd <4 x float> %172, %175
  %177 = shufflevector <4 x float> %176, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %178 = fadd <4 x float> %174, %177
  %179 = extractelement <4 x float> %178, i64 0
  store float %179, ptr %162, align 4
  %180 = add nuw nsw i64 %158, 1
  %181 = icmp eq i64 %180, %5
  br i1 %181, label %214, label %157

182:                                              ; preds = %157, %182
  %183 = phi i64 [ %212, %182 ], [ 0, %157 ]
  %184 = phi <16 x float> [ %210, %182 ], [ zeroinitializer, %157 ]
  %185 = phi <16 x float> [ %211, %182 ], [ zeroinitializer, %157 ]
  %186 = mul nuw nsw i64 %183, 20
  %187 = getelementptr inbounds nuw i8, ptr %22, i64 %186
  %188 = load half, ptr %187, align 1
  %189 = fpext half %188 to float
  %190 = insertelement <16 x float> poison, float %189, i64 0
  %191 = shufflevector <16 x float> %190, <16 x float> poison, <16 x i32> zeroinitializer
  %192 = getelementptr inbounds nuw i8, ptr %187, i64 2
  %193 = load half, ptr %192, align 1
  %194 = fpext half %193 to float
  %195 = insertelement <16 x float> poison, float %194, i64 0
  %196 = shufflevector <16 x float> %195, <16 x float> poison, <16 x i32> zeroinitializer
  %197 = getelementptr inbounds nuw i8, ptr %187, i64 4
  %198 = load <16 x i8>, ptr %197, align 1
  %199 = and <16 x i8> %198, splat (i8 15)
  %200 = uitofp <16 x i8> %199 to <16 x float>
  %201 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %200, <16 x float> %191, <16 x float> %196)
  %202 = lshr <16 x i8> %198, splat (i8 4)
  %203 = uitofp <16 x i8> %202 to <16 x float>
  %204 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %203, <16 x float> %191, <16 x float> %196)
  %205 = shl nsw i64 %183, 7
  %206 = getelementptr inbounds nuw i8, ptr %160, i64 %205
  %207 = load <16 x float>, ptr %206, align 4
  %208 = getelementptr inbounds nuw i8, ptr %206, i64 64
  %209 = load <16 x float>, ptr %208, align 4
  %210 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %201, <16 x float> %207, <16 x float> %184)
  %211 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %204, <16 x float> %209, <16 x float> %185)
  %212 = add nuw nsw i64 %183, 1
  %213 = icmp eq i64 %212, %10
  br i1 %213, label %163, label %182

214:                                              ; preds = %165, %24
  %215 = add nuw nsw i64 %20, 1
  %216 = icmp eq i64 %215, %3
  br i1 %216, label %18, label %19
}

define void @widen_q4_1(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %30, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = mul nuw nsw i64 %7, 20
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load half, ptr %12, align 1
  %14 = fpext half %13 to float
  %15 = insertelement <16 x float> poison, float %14, i64 0
  %16 = shufflevector <16 x float> %15, <16 x float> poison, <16 x i32> zeroinitializer
  %17 = getelementptr inbounds nuw i8, ptr %12, i64 2
  %18 = load half, ptr %17, align 1
  %19 = fpext half %18 to float
  %20 = insertelement <16 x float> poison, float %19, i64 0
  %21 = shufflevector <16 x float> %20, <16 x float> poison, <16 x i32> zeroinitializer
  %22 = getelementptr inbounds nuw i8, ptr %12, i64 4
  %23 = load <16 x i8>, ptr %22, align 1
  %24 = and <16 x i8> %23, splat (i8 15)
  %25 = uitofp <16 x i8> %24 to <16 x float>
  %26 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %25, <16 x float> %16, <16 x float> %21)
  store <16 x float> %26, ptr %9, align 4
  %27 = lshr <16 x i8> %23, splat (i8 4)
  %28 = uitofp <16 x i8> %27 to <16 x float>
  %29 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %28, <16 x float> %16, <16 x float> %21)
  store <16 x float> %29, ptr %10, align 4
  %30 = add nuw nsw i64 %7, 1
  %31 = icmp eq i64 %30, %2
  br i1 %31, label %5, label %6
}

define void @matvec_q5_0(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 32
  %11 = mul nsw i64 %10, 22
  %12 = icmp slt i64 %5, 4
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %242, %7
  ret void

19:                                               ; preds = %9, %242
  %20 = phi i64 [ 0, %9 ], [ %243, %242 ]
  %21 = mul nsw i64 %11, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %12, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %171, label %242

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %147, %150
  %36 = fadd <16 x float> %153, %156
  %37 = fadd <16 x float> %159, %162
  %38 = fadd <16 x float> %165, %168
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %165, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %159, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %153, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %147, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %168, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %162, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %156, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %150, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %169, %101 ], [ 0, %27 ]
  %111 = mul nuw nsw i64 %110, 22
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load half, ptr %112, align 1
  %114 = fpext half %113 to float
  %115 = insertelement <16 x float> poison, float %114, i64 0
  %116 = shufflevector <16 x float> %115, <16 x float> poison, <16 x i32> zeroinitializer
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 2
  %118 = load i32, ptr %117, align 1
  %119 = getelementptr inbounds nuw i8, ptr %112, i64 6
  %120 = load <16 x i8>, ptr %119, align 1
  %121 = and <16 x i8> %120, splat (i8 15)
  %122 = insertelement <16 x i32> poison, i32 %118, i64 0
  %123 = shufflevector <16 x i32> %122, <16 x i32> poison, <16 x i32> zeroinitializer
  %124 = lshr <16 x i32> %123, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %125 = shl <16 x i32> %124, splat (i32 4)
  %126 = trunc <16 x i32> %125 to <16 x i8>
  %127 = and <16 x i8> %126, splat (i8 16)
  %128 = or <16 x i8> %127, %121
  %129 = uitofp <16 x i8> %128 to <16 x float>
  %130 = fadd <16 x float> %129, splat (float -1.600000e+01)
  %131 = fmul <16 x float> %116, %130
  %132 = lshr <16 x i8> %120, splat (i8 4)
  %133 = lshr i32 %118, 16
  %134 = insertelement <16 x i32> poison, i32 %133, i64 0
  %135 = shufflevector <16 x i32> %134, <16 x i32> poison, <16 x i32> zeroinitializer
  %136 = lshr <16 x i32> %135, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %137 = shl nuw nsw <16 x i32> %136, splat (i32 4)
  %138 = trunc <16 x i32> %137 to <16 x i8>
  %139 = and <16 x i8> %138, splat (i8 16)
  %140 = or <16 x i8> %139, %132
  %141 = uitofp <16 x i8> %140 to <16 x float>
  %142 = fadd <16 x float> %141, splat (float -1.600000e+01)
  %143 = fmul <16 x float> %116, %142
  %144 = shl nsw i64 %110, 7
  %145 = getelementptr i8, ptr %31, i64 %144
  %146 = load <16 x float>, ptr %145, align 4
  %147 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %131, <16 x float> %146, <16 x float> %105)
  %148 = getelementptr inbounds nuw i8, ptr %145, i64 64
  %149 = load <16 x float>, ptr %148, align 4
  %150 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %143, <16 x float> %149, <16 x float> %109)
  %151 = getelementptr float, ptr %145, i64 %4
  %152 = load <16 x float>, ptr %151, align 4
  %153 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %131, <16 x float> %152, <16 x float> %104)
  %154 = getelementptr inbounds nuw i8, ptr %151, i64 64
  %155 = load <16 x float>, ptr %154, align 4
  %156 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %143, <16 x float> %155, <16 x float> %108)
  %157 = getelementptr i8, ptr %145, i64 %14
  %158 = load <16 x float>, ptr %157, align 4
  %159 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %131, <16 x float> %158, <16 x float> %103)
  %160 = getelementptr inbounds nuw i8, ptr %157, i64 64
  %161 = load <16 x float>, ptr %160, align 4
  %162 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %143, <16 x float> %161, <16 x float> %107)
  %163 = getelementptr i8, ptr %145, i64 %15
  %164 = load <16 x float>, ptr %163, align 4
  %165 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %131, <16 x float> %164, <16 x float> %102)
  %166 = getelementptr inbounds nuw i8, ptr %163, i64 64
  %167 = load <16 x float>, ptr %166, align 4
  %168 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %143, <16 x float> %167, <16 x float> %106)
  %169 = add nuw nsw i64 %110, 1
  %170 = icmp eq i64 %169, %10
  br i1 %170, label %34, label %101

171:                                              ; preds = %24, %179
  %172 = phi i64 [ %194, %179 ], [ %25, %24 ]
  %173 = mul nsw i64 %172, %4
  %174 = getelementptr inbounds float, ptr %1, i64 %173
  %175 = mul nsw i64 %172, %6
  %176 = getelementptr float, ptr %23, i64 %175
  br i1 %13, label %196, label %179

177:                                              ; preds = %196
  %178 = fadd <16 x float> %239, %238
  br label %179

179:                                              ; preds = %177, %171
  %180 = phi <16 x float> [ zeroinitializer, %171 ], [ %178, %177 ]
  %181 = shufflevector <16 x float> %180, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %182 = shufflevector <16 x float> %180, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %183 = fadd <8 x float> %181, %182
  %184 = shufflevector <8 x float> %183, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %185 = shufflevector <8 x float> %183, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %186 = fadd <4 x float> %184, %185
  %187 = shufflevector <4 x float> %186, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %188 = fadd <4 x float> %186, %187
  %189 = shufflevector <4 x float> %186, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %190 = fadd <4 x float> %186, %189
  %191 = shufflevector <4 x float> %190, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %192 = fadd <4 x float> %188, %191
  %193 = extractelement <4 x float> %192, i64 0
  store float %193, ptr %176, align 4
  %194 = add nuw nsw i64 %172, 1
  %195 = icmp eq i64 %194, %5
  br i1 %195, label %242, label %171

196:                                              ; preds = %171, %196
  %197 = phi i64 [ %240, %196 ], [ 0, %171 ]
  %198 = phi <16 x float> [ %238, %196 ], [ zeroinitializer, %171 ]
  %199 = phi <16 x float> [ %239, %196 ], [ zeroinitializer, %171 ]
  %200 = mul nuw nsw i64 %197, 22
  %201 = getelementptr inbounds nuw i8, ptr %22, i64 %200
  %202 = load half, ptr %201, align 1
  %203 = fpext half %202 to float
  %204 = insertelement <16 x float> poison, float %203, i64 0
  %205 = shufflevector <16 x float> %204, <16 x float> poison, <16 x i32> zeroinitializer
  %206 = getelementptr inbounds nuw i8, ptr %201, i64 2
  %207 = load i32, ptr %206, align 1
  %208 = getelementptr inbounds nuw i8, ptr %201, i64 6
  %209 = load <16 x i8>, ptr %208, align 1
  %210 = and <16 x i8> %209, splat (i8 15)
  %211 = insertelement <16 x i32> poison, i32 %207, i64 0
  %212 = shufflevector <16 x i32> %211, <16 x i32> poison, <16 x i32> zeroinitializer
  %213 = lshr <16 x i32> %212, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %214 = shl <16 x i32> %213, splat (i32 4)
  %215 = trunc <16 x i32> %214 to <16 x i8>
  %216 = and <16 x i8> %215, splat (i8 16)
  %217 = or <16 x i8> %216, %210
  %218 = uitofp <16 x i8> %217 to <16 x float>
  %219 = fadd <16 x float> %218, splat (float -1.600000e+01)
  %220 = fmul <16 x float> %205, %219
  %221 = lshr <16 x i8> %209, splat (i8 4)
  %222 = lshr i32 %207, 16
  %223 = insertelement <16 x i32> poison, i32 %222, i64 0
  %224 = shufflevector <16 x i32> %223, <16 x i32> poison, <16 x i32> zeroinitializer
  %225 = lshr <16 x i32> %224, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %226 = shl nuw nsw <16 x i32> %225, splat (i32 4)
  %227 = trunc <16 x i32> %226 to <16 x i8>
  %228 = and <16 x i8> %227, splat (i8 16)
  %229 = or <16 x i8> %228, %221
  %230 = uitofp <16 x i8> %229 to <16 x float>
  %231 = fadd <16 x float> %230, splat (float -1.600000e+01)
  %232 = fmul <16 x float> %205, %231
  %233 = shl nsw i64 %197, 7
  %234 = getelementptr inbounds nuw i8, ptr %174, i64 %233
  %235 = load <16 x float>, ptr %234, align 4
  %236 = getelementptr inbounds nuw i8, ptr %234, i64 64
  %237 = load <16 x float>, ptr %236, align 4
  %238 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %220, <16 x float> %235, <16 x float> %198)
  %239 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %232, <16 x float> %237, <16 x float> %199)
  %240 = add nuw nsw i64 %197, 1
  %241 = icmp eq i64 %240, %10
  br i1 %241, label %177, label %196

242:                                              ; preds = %179, %24
  %243 = add nuw nsw i64 %20, 1
  %244 = icmp eq i64 %243, %3
  br i1 %244, label %18, label %19
}

define void @widen_q5_0(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %44, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = mul nuw nsw i64 %7, 22
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load half, ptr %12, align 1
  %14 = fpext half %13 to float
  %15 = insertelement <16 x float> poison, float %14, i64 0
  %16 = shufflevector <16 x float> %15, <16 x float> poison, <16 x i32> zeroinitializer
  %17 = getelementptr inbounds nuw i8, ptr %12, i64 2
  %18 = load i32, ptr %17, align 1
  %19 = getelementptr inbounds nuw i8, ptr %12, i64 6
  %20 = load <16 x i8>, ptr %19, align 1
  %21 = and <16 x i8> %20, splat (i8 15)
  %22 = insertelement <16 x i32> poison, i32 %18, i64 0
  %23 = shufflevector <16 x i32> %22, <16 x i32> poison, <16 x i32> zeroinitializer
  %24 = lshr <16 x i32> %23, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %25 = shl <16 x i32> %24, splat (i32 4)
  %26 = trunc <16 x i32> %25 to <16 x i8>
  %27 = and <16 x i8> %26, splat (i8 16)
  %28 = or <16 x i8> %27, %21
  %29 = uitofp <16 x i8> %28 to <16 x float>
  %30 = fadd <16 x float> %29, splat (float -1.600000e+01)
  %31 = fmul <16 x float> %16, %30
  store <16 x float> %31, ptr %9, align 4
  %32 = lshr <16 x i8> %20, splat (i8 4)
  %33 = lshr i32 %18, 16
  %34 = insertelement <16 x i32> poison, i32 %33, i64 0
  %35 = shufflevector <16 x i32> %34, <16 x i32> poison, <16 x i32> zeroinitializer
  %36 = lshr <16 x i32> %35, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %37 = shl nuw nsw <16 x i32> %36, splat (i32 4)
  %38 = trunc <16 x i32> %37 to <16 x i8>
  %39 = and <16 x i8> %38, splat (i8 16)
  %40 = or <16 x i8> %39, %32
  %41 = uitofp <16 x i8> %40 to <16 x float>
  %42 = fadd <16 x float> %41, splat (float -1.600000e+01)
  %43 = fmul <16 x float> %16, %42
  store <16 x float> %43, ptr %10, align 4
  %44 = add nuw nsw i64 %7, 1
  %45 = icmp eq i64 %44, %2
  br i1 %45, label %5, label %6
}

define void @matvec_q5_1(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 32
  %11 = mul nsw i64 %10, 24
  %12 = icmp slt i64 %5, 4
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %248, %7
  ret void

19:                                               ; preds = %9, %248
  %20 = phi i64 [ 0, %9 ], [ %249, %248 ]
  %21 = mul nsw i64 %11, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %12, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %174, label %248

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %150, %153
  %36 = fadd <16 x float> %156, %159
  %37 = fadd <16 x float> %162, %165
  %38 = fadd <16 x float> %168, %171
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %168, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %162, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %156, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %150, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %171, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %165, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %159, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %153, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %172, %101 ], [ 0, %27 ]
  %111 = mul nuw nsw i64 %110, 24
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load half, ptr %112, align 1
  %114 = fpext half %113 to float
  %115 = insertelement <16 x float> poison, float %114, i64 0
  %116 = shufflevector <16 x float> %115, <16 x float> poison, <16 x i32> zeroinitializer
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 2
  %118 = load half, ptr %117, align 1
  %119 = fpext half %118 to float
  %120 = insertelement <16 x float> poison, float %119, i64 0
  %121 = shufflevector <16 x float> %120, <16 x float> poison, <16 x i32> zeroinitializer
  %122 = getelementptr inbounds nuw i8, ptr %112, i64 4
  %123 = load i32, ptr %122, align 1
  %124 = getelementptr inbounds nuw i8, ptr %112, i64 8
  %125 = load <16 x i8>, ptr %124, align 1
  %126 = and <16 x i8> %125, splat (i8 15)
  %127 = insertelement <16 x i32> poison, i32 %123, i64 0
  %128 = shufflevector <16 x i32> %127, <16 x i32> poison, <16 x i32> zeroinitializer
  %129 = lshr <16 x i32> %128, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %130 = shl <16 x i32> %129, splat (i32 4)
  %131 = trunc <16 x i32> %130 to <16 x i8>
  %132 = and <16 x i8> %131, splat (i8 16)
  %133 = or <16 x i8> %132, %126
  %134 = uitofp <16 x i8> %133 to <16 x float>
  %135 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %134, <16 x float> %116, <16 x float> %121)
  %136 = lshr <16 x i8> %125, splat (i8 4)
  %137 = lshr i32 %123, 16
  %138 = insertelement <16 x i32> poison, i32 %137, i64 0
  %139 = shufflevector <16 x i32> %138, <16 x i32> poison, <16 x i32> zeroinitializer
  %140 = lshr <16 x i32> %139, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %141 = shl nuw nsw <16 x i32> %140, splat (i32 4)
  %142 = trunc <16 x i32> %141 to <16 x i8>
  %143 = and <16 x i8> %142, splat (i8 16)
  %144 = or <16 x i8> %143, %136
  %145 = uitofp <16 x i8> %144 to <16 x float>
  %146 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %145, <16 x float> %116, <16 x float> %121)
  %147 = shl nsw i64 %110, 7
  %148 = getelementptr i8, ptr %31, i64 %147
  %149 = load <16 x float>, ptr %148, align 4
  %150 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %135, <16 x float> %149, <16 x float> %105)
  %151 = getelementptr inbounds nuw i8, ptr %148, i64 64
  %152 = load <16 x float>, ptr %151, align 4
  %153 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %146, <16 x float> %152, <16 x float> %109)
  %154 = getelementptr float, ptr %148, i64 %4
  %155 = load <16 x float>, ptr %154, align 4
  %156 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %135, <16 x float> %155, <16 x float> %104)
  %157 = getelementptr inbounds nuw i8, ptr %154, i64 64
  %158 = load <16 x float>, ptr %157, align 4
  %159 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %146, <16 x float> %158, <16 x float> %108)
  %160 = getelementptr i8, ptr %148, i64 %14
  %161 = load <16 x float>, ptr %160, align 4
  %162 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %135, <16 x float> %161, <16 x float> %103)
  %163 = getelementptr inbounds nuw i8, ptr %160, i64 64
  %164 = load <16 x float>, ptr %163, align 4
  %165 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %146, <16 x float> %164, <16 x float> %107)
  %166 = getelementptr i8, ptr %148, i64 %15
  %167 = load <16 x float>, ptr %166, align 4
  %168 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %135, <16 x float> %167, <16 x float> %102)
  %169 = getelementptr inbounds nuw i8, ptr %166, i64 64
  %170 = load <16 x float>, ptr %169, align 4
  %171 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %146, <16 x float> %170, <16 x float> %106)
  %172 = add nuw nsw i64 %110, 1
  %173 = icmp eq i64 %172, %10
  br i1 %173, label %34, label %101

174:                                              ; preds = %24, %182
  %175 = phi i64 [ %197, %182 ], [ %25, %24 ]
  %176 = mul nsw i64 %175, %4
  %177 = getelementptr inbounds float, ptr %1, i64 %176
  %178 = mul nsw i64 %175, %6
  %179 = getelementptr float, ptr %23, i64 %178
  br i1 %13, label %199, label %182

180:                                              ; preds = %199
  %181 = fadd <16 x float> %245, %244
  br label %182

182:                                              ; preds = %180, %174
  %183 = phi <16 x float> [ zeroinitializer, %174 ], [ %181, %180 ]
  %184 = shufflevector <16 x float> %183, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %185 = shufflevector <16 x float> %183, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %186 = fadd <8 x float> %184, %185
  %187 = shufflevector <8 x float> %186, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %188 = shufflevector <8 x float> %186, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %189 = fadd <4 x float> %187, %188
  %190 = shufflevector <4 x float> %189, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %191 = fadd <4 x float> %189, %190
  %192 = shufflevector <4 x float> %189, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %193 = fadd <4 x float> %189, %192
  %194 = shufflevector <4 x float> %193, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %195 = fadd <4 x float> %191, %194
  %196 = extractelement <4 x float> %195, i64 0
  store float %196, ptr %179, align 4
  %197 = add nuw nsw i64 %175, 1
  %198 = icmp eq i64 %197, %5
  br i1 %198, label %248, label %174

199:                                              ; preds = %174, %199
  %200 = phi i64 [ %246, %199 ], [ 0, %174 ]
  %201 = phi <16 x float> [ %244, %199 ], [ zeroinitializer, %174 ]
  %202 = phi <16 x float> [ %245, %199 ], [ zeroinitializer, %174 ]
  %203 = mul nuw nsw i64 %200, 24
  %204 = getelementptr inbounds nuw i8, ptr %22, i64 %203
  %205 = load half, ptr %204, align 1
  %206 = fpext half %205 to float
  %207 = insertelement <16 x float> poison, float %206, i64 0
  %208 = shufflevector <16 x float> %207, <16 x float> poison, <16 x i32> zeroinitializer
  %209 = getelementptr inbounds nuw i8, ptr %204, i64 2
  %210 = load half, ptr %209, align 1
  %211 = fpext half %210 to float
  %212 = insertelement <16 x float> poison, float %211, i64 0
  %213 = shufflevector <16 x float> %212, <16 x float> poison, <16 x i32> zeroinitializer
  %214 = getelementptr inbounds nuw i8, ptr %204, i64 4
  %215 = load i32, ptr %214, align 1
  %216 = getelementptr inbounds nuw i8, ptr %204, i64 8
  %217 = load <16 x i8>, ptr %216, align 1
  %218 = and <16 x i8> %217, splat (i8 15)
  %219 = insertelement <16 x i32> poison, i32 %215, i64 0
  %220 = shufflevector <16 x i32> %219, <16 x i32> poison, <16 x i32> zeroinitializer
  %221 = lshr <16 x i32> %220, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %222 = shl <16 x i32> %221, splat (i32 4)
  %223 = trunc <16 x i32> %222 to <16 x i8>
  %224 = and <16 x i8> %223, splat (i8 16)
  %225 = or <16 x i8> %224, %218
  %226 = uitofp <16 x i8> %225 to <16 x float>
  %227 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %226, <16 x float> %208, <16 x float> %213)
  %228 = lshr <16 x i8> %217, splat (i8 4)
  %229 = lshr i32 %215, 16
  %230 = insertelement <16 x i32> poison, i32 %229, i64 0
  %231 = shufflevector <16 x i32> %230, <16 x i32> poison, <16 x i32> zeroinitializer
  %232 = lshr <16 x i32> %231, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %233 = shl nuw nsw <16 x i32> %232, splat (i32 4)
  %234 = trunc <16 x i32> %233 to <16 x i8>
  %235 = and <16 x i8> %234, splat (i8 16)
  %236 = or <16 x i8> %235, %228
  %237 = uitofp <16 x i8> %236 to <16 x float>
  %238 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %237, <16 x float> %208, <16 x float> %213)
  %239 = shl nsw i64 %200, 7
  %240 = getelementptr inbounds nuw i8, ptr %177, i64 %239
  %241 = load <16 x float>, ptr %240, align 4
  %242 = getelementptr inbounds nuw i8, ptr %240, i64 64
  %243 = load <16 x float>, ptr %242, align 4
  %244 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %227, <16 x float> %241, <16 x float> %201)
  %245 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %238, <16 x float> %243, <16 x float> %202)
  %246 = add nuw nsw i64 %200, 1
  %247 = icmp eq i64 %246, %10
  br i1 %247, label %180, label %199

248:                                              ; preds = %182, %24
  %249 = add nuw nsw i64 %20, 1
  %250 = icmp eq i64 %249, %3
  br i1 %250, label %18, label %19
}

define void @widen_q5_1(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %47, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = mul nuw nsw i64 %7, 24
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load half, ptr %12, align 1
  %14 = fpext half %13 to float
  %15 = insertelement <16 x float> poison, float %14, i64 0
  %16 = shufflevector <16 x float> %15, <16 x float> poison, <16 x i32> zeroinitializer
  %17 = getelementptr inbounds nuw i8, ptr %12, i64 2
  %18 = load half, ptr %17, align 1
  %19 = fpext half %18 to float
  %20 = insertelement <16 x float> poison, float %19, i64 0
  %21 = shufflevector <16 x float> %20, <16 x float> poison, <16 x i32> zeroinitializer
  %22 = getelementptr inbounds nuw i8, ptr %12, i64 4
  %23 = load i32, ptr %22, align 1
  %24 = getelementptr inbounds nuw i8, ptr %12, i64 8
  %25 = load <16 x i8>, ptr %24, align 1
  %26 = and <16 x i8> %25, splat (i8 15)
  %27 = insertelement <16 x i32> poison, i32 %23, i64 0
  %28 = shufflevector <16 x i32> %27, <16 x i32> poison, <16 x i32> zeroinitializer
  %29 = lshr <16 x i32> %28, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %30 = shl <16 x i32> %29, splat (i32 4)
  %31 = trunc <16 x i32> %30 to <16 x i8>
  %32 = and <16 x i8> %31, splat (i8 16)
  %33 = or <16 x i8> %32, %26
  %34 = uitofp <16 x i8> %33 to <16 x float>
  %35 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %34, <16 x float> %16, <16 x float> %21)
  store <16 x float> %35, ptr %9, align 4
  %36 = lshr <16 x i8> %25, splat (i8 4)
  %37 = lshr i32 %23, 16
  %38 = insertelement <16 x i32> poison, i32 %37, i64 0
  %39 = shufflevector <16 x i32> %38, <16 x i32> poison, <16 x i32> zeroinitializer
  %40 = lshr <16 x i32> %39, <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %41 = shl nuw nsw <16 x i32> %40, splat (i32 4)
  %42 = trunc <16 x i32> %41 to <16 x i8>
  %43 = and <16 x i8> %42, splat (i8 16)
  %44 = or <16 x i8> %43, %36
  %45 = uitofp <16 x i8> %44 to <16 x float>
  %46 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %45, <16 x float> %16, <16 x float> %21)
  store <16 x float> %46, ptr %10, align 4
  %47 = add nuw nsw i64 %7, 1
  %48 = icmp eq i64 %47, %2
  br i1 %48, label %5, label %6
}

define void @matvec_q8_0(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %18

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 32
  %11 = mul nsw i64 %10, 34
  %12 = icmp slt i64 %5, 4
  %13 = icmp sgt i64 %4, 31
  %14 = shl i64 %4, 3
  %15 = mul i64 %4, 12
  %16 = shl nsw i64 %6, 3
  %17 = mul nsw i64 %6, 12
  br label %19

18:                                               ; preds = %204, %7
  ret void

19:                                               ; preds = %9, %204
  %20 = phi i64 [ 0, %9 ], [ %205, %204 ]
  %21 = mul nsw i64 %11, %20
  %22 = getelementptr inbounds i8, ptr %0, i64 %21
  %23 = getelementptr float, ptr %2, i64 %20
  br i1 %12, label %24, label %27

24:                                               ; preds = %39, %19
  %25 = phi i64 [ 0, %19 ], [ %28, %39 ]
  %26 = icmp slt i64 %25, %5
  br i1 %26, label %152, label %204

27:                                               ; preds = %19, %39
  %28 = phi i64 [ %99, %39 ], [ 4, %19 ]
  %29 = phi i64 [ %28, %39 ], [ 0, %19 ]
  %30 = mul nsw i64 %29, %4
  %31 = getelementptr inbounds float, ptr %1, i64 %30
  %32 = mul nsw i64 %29, %6
  %33 = getelementptr float, ptr %23, i64 %32
  br i1 %13, label %101, label %39

34:                                               ; preds = %101
  %35 = fadd <16 x float> %128, %131
  %36 = fadd <16 x float> %134, %137
  %37 = fadd <16 x float> %140, %143
  %38 = fadd <16 x float> %146, %149
  br label %39

39:                                               ; preds = %34, %27
  %40 = phi <16 x float> [ %35, %34 ], [ zeroinitializer, %27 ]
  %41 = phi <16 x float> [ %36, %34 ], [ zeroinitializer, %27 ]
  %42 = phi <16 x float> [ %37, %34 ], [ zeroinitializer, %27 ]
  %43 = phi <16 x float> [ %38, %34 ], [ zeroinitializer, %27 ]
  %44 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %45 = shufflevector <16 x float> %40, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %46 = fadd <8 x float> %44, %45
  %47 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %48 = shufflevector <8 x float> %46, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %49 = fadd <4 x float> %47, %48
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %51 = fadd <4 x float> %49, %50
  %52 = shufflevector <4 x float> %49, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %53 = fadd <4 x float> %49, %52
  %54 = shufflevector <4 x float> %53, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %55 = fadd <4 x float> %51, %54
  %56 = extractelement <4 x float> %55, i64 0
  store float %56, ptr %33, align 4
  %57 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %58 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %59 = fadd <8 x float> %57, %58
  %60 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %61 = shufflevector <8 x float> %59, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %62 = fadd <4 x float> %60, %61
  %63 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %64 = fadd <4 x float> %62, %63
  %65 = shufflevector <4 x float> %62, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %66 = fadd <4 x float> %62, %65
  %67 = shufflevector <4 x float> %66, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %68 = fadd <4 x float> %64, %67
  %69 = extractelement <4 x float> %68, i64 0
  %70 = getelementptr inbounds float, ptr %33, i64 %6
  store float %69, ptr %70, align 4
  %71 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %72 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %73 = fadd <8 x float> %71, %72
  %74 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %75 = shufflevector <8 x float> %73, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %76 = fadd <4 x float> %74, %75
  %77 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %78 = fadd <4 x float> %76, %77
  %79 = shufflevector <4 x float> %76, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %80 = fadd <4 x float> %76, %79
  %81 = shufflevector <4 x float> %80, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %82 = fadd <4 x float> %78, %81
  %83 = extractelement <4 x float> %82, i64 0
  %84 = getelementptr inbounds i8, ptr %33, i64 %16
  store float %83, ptr %84, align 4
  %85 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %86 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %87 = fadd <8 x float> %85, %86
  %88 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %89 = shufflevector <8 x float> %87, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %90 = fadd <4 x float> %88, %89
  %91 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %92 = fadd <4 x float> %90, %91
  %93 = shufflevector <4 x float> %90, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %94 = fadd <4 x float> %90, %93
  %95 = shufflevector <4 x float> %94, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %96 = fadd <4 x float> %92, %95
  %97 = extractelement <4 x float> %96, i64 0
  %98 = getelementptr inbounds i8, ptr %33, i64 %17
  store float %97, ptr %98, align 4
  %99 = add nuw nsw i64 %28, 4
  %100 = icmp sgt i64 %99, %5
  br i1 %100, label %24, label %27

101:                                              ; preds = %27, %101
  %102 = phi <16 x float> [ %146, %101 ], [ zeroinitializer, %27 ]
  %103 = phi <16 x float> [ %140, %101 ], [ zeroinitializer, %27 ]
  %104 = phi <16 x float> [ %134, %101 ], [ zeroinitializer, %27 ]
  %105 = phi <16 x float> [ %128, %101 ], [ zeroinitializer, %27 ]
  %106 = phi <16 x float> [ %149, %101 ], [ zeroinitializer, %27 ]
  %107 = phi <16 x float> [ %143, %101 ], [ zeroinitializer, %27 ]
  %108 = phi <16 x float> [ %137, %101 ], [ zeroinitializer, %27 ]
  %109 = phi <16 x float> [ %131, %101 ], [ zeroinitializer, %27 ]
  %110 = phi i64 [ %150, %101 ], [ 0, %27 ]
  %111 = mul nuw nsw i64 %110, 34
  %112 = getelementptr inbounds nuw i8, ptr %22, i64 %111
  %113 = load half, ptr %112, align 1
  %114 = fpext half %113 to float
  %115 = insertelement <16 x float> poison, float %114, i64 0
  %116 = shufflevector <16 x float> %115, <16 x float> poison, <16 x i32> zeroinitializer
  %117 = getelementptr inbounds nuw i8, ptr %112, i64 2
  %118 = load <16 x i8>, ptr %117, align 1
  %119 = sitofp <16 x i8> %118 to <16 x float>
  %120 = fmul <16 x float> %116, %119
  %121 = getelementptr inbounds nuw i8, ptr %112, i64 18
  %122 = load <16 x i8>, ptr %121, align 1
  %123 = sitofp <16 x i8> %122 to <16 x float>
  %124 = fmul <16 x float> %116, %123
  %125 = shl nsw i64 %110, 7
  %126 = getelementptr i8, ptr %31, i64 %125
  %127 = load <16 x float>, ptr %126, align 4
  %128 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %120, <16 x float> %127, <16 x float> %105)
  %129 = getelementptr inbounds nuw i8, ptr %126, i64 64
  %130 = load <16 x float>, ptr %129, align 4
  %131 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %124, <16 x float> %130, <16 x float> %109)
  %132 = getelementptr float, ptr %126, i64 %4
  %133 = load <16 x float>, ptr %132, align 4
  %134 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %120, <16 x float> %133, <16 x float> %104)
  %135 = getelementptr inbounds nuw i8, ptr %132, i64 64
  %136 = load <16 x float>, ptr %135, align 4
  %137 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %124, <16 x float> %136, <16 x float> %108)
  %138 = getelementptr i8, ptr %126, i64 %14
  %139 = load <16 x float>, ptr %138, align 4
  %140 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %120, <16 x float> %139, <16 x float> %103)
  %141 = getelementptr inbounds nuw i8, ptr %138, i64 64
  %142 = load <16 x float>, ptr %141, align 4
  %143 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %124, <16 x float> %142, <16 x float> %107)
  %144 = getelementptr i8, ptr %126, i64 %15
  %145 = load <16 x float>, ptr %144, align 4
  %146 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %120, <16 x float> %145, <16 x float> %102)
  %147 = getelementptr inbounds nuw i8, ptr %144, i64 64
  %148 = load <16 x float>, ptr %147, align 4
  %149 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %124, <16 x float> %148, <16 x float> %106)
  %150 = add nuw nsw i64 %110, 1
  %151 = icmp eq i64 %150, %10
  br i1 %151, label %34, label %101

152:                                              ; preds = %24, %160
  %153 = phi i64 [ %175, %160 ], [ %25, %24 ]
  %154 = mul nsw i64 %153, %4
  %155 = getelementptr inbounds float, ptr %1, i64 %154
  %156 = mul nsw i64 %153, %6
  %157 = getelementptr float, ptr %23, i64 %156
  br i1 %13, label %177, label %160

158:                                              ; preds = %177
  %159 = fadd <16 x float> %201, %200
  br label %160

160:                                              ; preds = %158, %152
  %161 = phi <16 x float> [ zeroinitializer, %152 ], [ %159, %158 ]
  %162 = shufflevector <16 x float> %161, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %163 = shufflevector <16 x float> %161, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %164 = fadd <8 x float> %162, %163
  %165 = shufflevector <8 x float> %164, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %166 = shufflevector <8 x float> %164, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %167 = fadd <4 x float> %165, %166
  %168 = shufflevector <4 x float> %167, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %169 = fadd <4 x float> %167, %168
  %170 = shufflevector <4 x float> %167, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %171 = fadd <4 x float> %167, %170
  %172 = shufflevector <4 x float> %171, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %173 = fadd <4 x float> %169, %172
  %174 = extractelement <4 x float> %173, i64 0
  store float %174, ptr %157, align 4
  %175 = add nuw nsw i64 %153, 1
  %176 = icmp eq i64 %175, %5
  br i1 %176, label %204, label %152

177:                                              ; preds = %152, %177
  %178 = phi i64 [ %202, %177 ], [ 0, %152 ]
  %179 = phi <16 x float> [ %200, %177 ], [ zeroinitializer, %152 ]
  %180 = phi <16 x float> [ %201, %177 ], [ zeroinitializer, %152 ]
  %181 = mul nuw nsw i64 %178, 34
  %182 = getelementptr inbounds nuw i8, ptr %22, i64 %181
  %183 = load half, ptr %182, align 1
  %184 = fpext half %183 to float
  %185 = insertelement <16 x float> poison, float %184, i64 0
  %186 = shufflevector <16 x float> %185, <16 x float> poison, <16 x i32> zeroinitializer
  %187 = getelementptr inbounds nuw i8, ptr %182, i64 2
  %188 = load <16 x i8>, ptr %187, align 1
  %189 = sitofp <16 x i8> %188 to <16 x float>
  %190 = fmul <16 x float> %186, %189
  %191 = getelementptr inbounds nuw i8, ptr %182, i64 18
  %192 = load <16 x i8>, ptr %191, align 1
  %193 = sitofp <16 x i8> %192 to <16 x float>
  %194 = fmul <16 x float> %186, %193
  %195 = shl nsw i64 %178, 7
  %196 = getelementptr inbounds nuw i8, ptr %155, i64 %195
  %197 = load <16 x float>, ptr %196, align 4
  %198 = getelementptr inbounds nuw i8, ptr %196, i64 64
  %199 = load <16 x float>, ptr %198, align 4
  %200 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %190, <16 x float> %197, <16 x float> %179)
  %201 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %194, <16 x float> %199, <16 x float> %180)
  %202 = add nuw nsw i64 %178, 1
  %203 = icmp eq i64 %202, %10
  br i1 %203, label %158, label %177

204:                                              ; preds = %160, %24
  %205 = add nuw nsw i64 %20, 1
  %206 = icmp eq i64 %205, %3
  br i1 %206, label %18, label %19
}

define void @widen_q8_0(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %25, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = mul nuw nsw i64 %7, 34
  %12 = getelementptr inbounds nuw i8, ptr %0, i64 %11
  %13 = load half, ptr %12, align 1
  %14 = fpext half %13 to float
  %15 = insertelement <16 x float> poison, float %14, i64 0
  %16 = shufflevector <16 x float> %15, <16 x float> poison, <16 x i32> zeroinitializer
  %17 = getelementptr inbounds nuw i8, ptr %12, i64 2
  %18 = load <16 x i8>, ptr %17, align 1
  %19 = sitofp <16 x i8> %18 to <16 x float>
  %20 = fmul <16 x float> %16, %19
  store <16 x float> %20, ptr %9, align 4
  %21 = getelementptr inbounds nuw i8, ptr %12, i64 18
  %22 = load <16 x i8>, ptr %21, align 1
  %23 = sitofp <16 x i8> %22 to <16 x float>
  %24 = fmul <16 x float> %16, %23
  store <16 x float> %24, ptr %10, align 4
  %25 = add nuw nsw i64 %7, 1
  %26 = icmp eq i64 %25, %2
  br i1 %26, label %5, label %6
}

define void @matvec_q4_k(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %19

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 256
  %11 = mul nsw i64 %10, 144
  %12 = icmp slt i64 %5, 4
  %13 = sdiv i64 %4, 32
  %14 = icmp sgt i64 %4, 31
  %15 = shl i64 %4, 3
  %16 = mul i64 %4, 12
  %17 = shl nsw i64 %6, 3
  %18 = mul nsw i64 %6, 12
  br label %20

19:                                               ; preds = %307, %7
  ret void

20:                                               ; preds = %9, %307
  %21 = phi i64 [ 0, %9 ], [ %308, %307 ]
  %22 = mul nsw i64 %11, %21
  %23 = getelementptr inbounds i8, ptr %0, i64 %22
  %24 = getelementptr float, ptr %2, i64 %21
  br i1 %12, label %25, label %28

25:                                               ; preds = %40, %20
  %26 = phi i64 [ 0, %20 ], [ %29, %40 ]
  %27 = icmp slt i64 %26, %5
  br i1 %27, label %204, label %307

28:                                               ; preds = %20, %40
  %29 = phi i64 [ %100, %40 ], [ 4, %20 ]
  %30 = phi i64 [ %29, %40 ], [ 0, %20 ]
  %31 = mul nsw i64 %30, %4
  %32 = getelementptr inbounds float, ptr %1, i64 %31
  %33 = mul nsw i64 %30, %6
  %34 = getelementptr float, ptr %24, i64 %33
  br i1 %14, label %102, label %40

35:                                               ; preds = %140
  %36 = fadd <16 x float> %180, %183
  %37 = fadd <16 x float> %186, %189
  %38 = fadd <16 x float> %192, %195
  %39 = fadd <16 x float> %198, %201
  br label %40

40:                                               ; preds = %35, %28
  %41 = phi <16 x float> [ %36, %35 ], [ zeroinitializer, %28 ]
  %42 = phi <16 x float> [ %37, %35 ], [ zeroinitializer, %28 ]
  %43 = phi <16 x float> [ %38, %35 ], [ zeroinitializer, %28 ]
  %44 = phi <16 x float> [ %39, %35 ], [ zeroinitializer, %28 ]
  %45 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %46 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %47 = fadd <8 x float> %45, %46
  %48 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %49 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %50 = fadd <4 x float> %48, %49
  %51 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %52 = fadd <4 x float> %50, %51
  %53 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %54 = fadd <4 x float> %50, %53
  %55 = shufflevector <4 x float> %54, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %56 = fadd <4 x float> %52, %55
  %57 = extractelement <4 x float> %56, i64 0
  store float %57, ptr %34, align 4
  %58 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %59 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %60 = fadd <8 x float> %58, %59
  %61 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %62 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %63 = fadd <4 x float> %61, %62
  %64 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %65 = fadd <4 x float> %63, %64
  %66 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %67 = fadd <4 x float> %63, %66
  %68 = shufflevector <4 x float> %67, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %69 = fadd <4 x float> %65, %68
  %70 = extractelement <4 x float> %69, i64 0
  %71 = getelementptr inbounds float, ptr %34, i64 %6
  store float %70, ptr %71, align 4
  %72 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %73 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %74 = fadd <8 x float> %72, %73
  %75 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %76 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %77 = fadd <4 x float> %75, %76
  %78 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %79 = fadd <4 x float> %77, %78
  %80 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %81 = fadd <4 x float> %77, %80
  %82 = shufflevector <4 x float> %81, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %83 = fadd <4 x float> %79, %82
  %84 = extractelement <4 x float> %83, i64 0
  %85 = getelementptr inbounds i8, ptr %34, i64 %17
  store float %84, ptr %85, align 4
  %86 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %87 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %88 = fadd <8 x float> %86, %87
  %89 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %90 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %91 = fadd <4 x float> %89, %90
  %92 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %93 = fadd <4 x float> %91, %92
  %94 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %95 = fadd <4 x float> %91, %94
  %96 = shufflevector <4 x float> %95, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %97 = fadd <4 x float> %93, %96
  %98 = extractelement <4 x float> %97, i64 0
  %99 = getelementptr inbounds i8, ptr %34, i64 %18
  store float %98, ptr %99, align 4
  %100 = add nuw nsw i64 %29, 4
  %101 = icmp sgt i64 %100, %5
  br i1 %101, label %25, label %28

102:                                              ; preds = %28, %140
  %103 = phi <16 x float> [ %198, %140 ], [ zeroinitializer, %28 ]
  %104 = phi <16 x float> [ %192, %140 ], [ zeroinitializer, %28 ]
  %105 = phi <16 x float> [ %186, %140 ], [ zeroinitializer, %28 ]
  %106 = phi <16 x float> [ %180, %140 ], [ zeroinitializer, %28 ]
  %107 = phi <16 x float> [ %201, %140 ], [ zeroinitializer, %28 ]
  %108 = phi <16 x float> [ %195, %140 ], [ zeroinitializer, %28 ]
  %109 = phi <16 x float> [ %189, %140 ], [ zeroinitializer, %28 ]
  %110 = phi <16 x float> [ %183, %140 ], [ zeroinitializer, %28 ]
  %111 = phi i64 [ %202, %140 ], [ 0, %28 ]
  %112 = lshr i64 %111, 3
  %113 = mul nuw nsw i64 %112, 144
  %114 = getelementptr inbounds nuw i8, ptr %23, i64 %113
  %115 = and i64 %111, 7
  %116 = icmp ult i64 %115, 4
  br i1 %116, label %117, label %125

117:                                              ; preds = %102
  %118 = getelementptr inbounds nuw i8, ptr %114, i64 4
  %119 = getelementptr i8, ptr %118, i64 %115
  %120 = load i8, ptr %119, align 1
  %121 = and i8 %120, 63
  %122 = getelementptr i8, ptr %119, i64 4
  %123 = load i8, ptr %122, align 1
  %124 = and i8 %123, 63
  br label %140

125:                                              ; preds = %102
  %126 = getelementptr i8, ptr %114, i64 %115
  %127 = getelementptr i8, ptr %126, i64 8
  %128 = load i8, ptr %127, align 1
  %129 = and i8 %128, 15
  %130 = load i8, ptr %126, align 1
  %131 = lshr i8 %130, 2
  %132 = and i8 %131, 48
  %133 = or i8 %132, %129
  %134 = lshr i8 %128, 4
  %135 = getelementptr i8, ptr %126, i64 4
  %136 = load i8, ptr %135, align 1
  %137 = lshr i8 %136, 2
  %138 = and i8 %137, 48
  %139 = or i8 %138, %134
  br label %140

140:                                              ; preds = %117, %125
  %141 = phi i8 [ %121, %117 ], [ %133, %125 ]
  %142 = phi i8 [ %124, %117 ], [ %139, %125 ]
  %143 = uitofp i8 %141 to float
  %144 = uitofp i8 %142 to float
  %145 = load half, ptr %114, align 1
  %146 = fpext half %145 to float
  %147 = fmul float %143, %146
  %148 = insertelement <16 x float> poison, float %147, i64 0
  %149 = shufflevector <16 x float> %148, <16 x float> poison, <16 x i32> zeroinitializer
  %150 = getelementptr inbounds nuw i8, ptr %114, i64 2
  %151 = load half, ptr %150, align 1
  %152 = fpext half %151 to float
  %153 = fneg float %152
  %154 = fmul float %144, %153
  %155 = insertelement <16 x float> poison, float %154, i64 0
  %156 = shufflevector <16 x float> %155, <16 x float> poison, <16 x i32> zeroinitializer
  %157 = getelementptr inbounds nuw i8, ptr %114, i64 16
  %158 = shl nuw nsw i64 %115, 4
  %159 = and i64 %158, 96
  %160 = getelementptr inbounds nuw i8, ptr %157, i64 %159
  %161 = trunc i64 %111 to i8
  %162 = shl i8 %161, 2
  %163 = and i8 %162, 4
  %164 = load <16 x i8>, ptr %160, align 1
  %165 = insertelement <16 x i8> poison, i8 %163, i64 0
  %166 = shufflevector <16 x i8> %165, <16 x i8> poison, <16 x i32> zeroinitializer
  %167 = lshr <16 x i8> %164, %166
  %168 = and <16 x i8> %167, splat (i8 15)
  %169 = uitofp <16 x i8> %168 to <16 x float>
  %170 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %169, <16 x float> %149, <16 x float> %156)
  %171 = getelementptr inbounds nuw i8, ptr %160, i64 16
  %172 = load <16 x i8>, ptr %171, align 1
  %173 = lshr <16 x i8> %172, %166
  %174 = and <16 x i8> %173, splat (i8 15)
  %175 = uitofp <16 x i8> %174 to <16 x float>
  %176 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %175, <16 x float> %149, <16 x float> %156)
  %177 = shl nsw i64 %111, 7
  %178 = getelementptr i8, ptr %32, i64 %177
  %179 = load <16 x float>, ptr %178, align 4
  %180 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %170, <16 x float> %179, <16 x float> %106)
  %181 = getelementptr inbounds nuw i8, ptr %178, i64 64
  %182 = load <16 x float>, ptr %181, align 4
  %183 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %176, <16 x float> %182, <16 x float> %110)
  %184 = getelementptr float, ptr %178, i64 %4
  %185 = load <16 x float>, ptr %184, align 4
  %186 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %170, <16 x float> %185, <16 x float> %105)
  %187 = getelementptr inbounds nuw i8, ptr %184, i64 64
  %188 = load <16 x float>, ptr %187, align 4
  %189 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %176, <16 x float> %188, <16 x float> %109)
  %190 = getelementptr i8, ptr %178, i64 %15
  %191 = load <16 x float>, ptr %190, align 4
  %192 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %170, <16 x float> %191, <16 x float> %104)
  %193 = getelementptr inbounds nuw i8, ptr %190, i64 64
  %194 = load <16 x float>, ptr %193, align 4
  %195 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %176, <16 x float> %194, <16 x float> %108)
  %196 = getelementptr i8, ptr %178, i64 %16
  %197 = load <16 x float>, ptr %196, align 4
  %198 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %170, <16 x float> %197, <16 x float> %103)
  %199 = getelementptr inbounds nuw i8, ptr %196, i64 64
  %200 = load <16 x float>, ptr %199, align 4
  %201 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %176, <16 x float> %200, <16 x float> %107)
  %202 = add nuw nsw i64 %111, 1
  %203 = icmp eq i64 %202, %13
  br i1 %203, label %35, label %102

204:                                              ; preds = %25, %212
  %205 = phi i64 [ %227, %212 ], [ %26, %25 ]
  %206 = mul nsw i64 %205, %4
  %207 = getelementptr inbounds float, ptr %1, i64 %206
  %208 = mul nsw i64 %205, %6
  %209 = getelementptr float, ptr %24, i64 %208
  br i1 %14, label %229, label %212

210:                                              ; preds = %261
  %211 = fadd <16 x float> %304, %303
  br label %212

212:                                              ; preds = %210, %204
  %213 = phi <16 x float> [ zeroinitializer, %204 ], [ %211, %210 ]
  %214 = shufflevector <16 x float> %213, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %215 = shufflevector <16 x float> %213, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %216 = fadd <8 x float> %214, %215
  %217 = shufflevector <8 x float> %216, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %218 = shufflevector <8 x float> %216, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %219 = fadd <4 x float> %217, %218
  %220 = shufflevector <4 x float> %219, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %221 = fadd <4 x float> %219, %220
  %222 = shufflevector <4 x float> %219, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %223 = fadd <4 x float> %219, %222
  %224 = shufflevector <4 x float> %223, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %225 = fadd <4 x float> %221, %224
  %226 = extractelement <4 x float> %225, i64 0
  store float %226, ptr %209, align 4
  %227 = add nuw nsw i64 %205, 1
  %228 = icmp eq i64 %227, %5
  br i1 %228, label %307, label %204

229:                                              ; preds = %204, %261
  %230 = phi i64 [ %305, %261 ], [ 0, %204 ]
  %231 = phi <16 x float> [ %303, %261 ], [ zeroinitializer, %204 ]
  %232 = phi <16 x float> [ %304, %261 ], [ zeroinitializer, %204 ]
  %233 = lshr i64 %230, 3
  %234 = mul nuw nsw i64 %233, 144
  %235 = getelementptr inbounds nuw i8, ptr %23, i64 %234
  %236 = and i64 %230, 7
  %237 = icmp ult i64 %236, 4
  br i1 %237, label %238, label %246

238:                                              ; preds = %229
  %239 = getelementptr inbounds nuw i8, ptr %235, i64 4
  %240 = getelementptr i8, ptr %239, i64 %236
  %241 = load i8, ptr %240, align 1
  %242 = and i8 %241, 63
  %243 = getelementptr i8, ptr %240, i64 4
  %244 = load i8, ptr %243, align 1
  %245 = and i8 %244, 63
  br label %261

246:                                              ; preds = %229
  %247 = getelementptr i8, ptr %235, i64 %236
  %248 = getelementptr i8, ptr %247, i64 8
  %249 = load i8, ptr %248, align 1
  %250 = and i8 %249, 15
  %251 = load i8, ptr %247, align 1
  %252 = lshr i8 %251, 2
  %253 = and i8 %252, 48
  %254 = or i8 %253, %250
  %255 = lshr i8 %249, 4
  %256 = getelementptr i8, ptr %247, i64 4
  %257 = load i8, ptr %256, align 1
  %258 = lshr i8 %257, 2
  %259 = and i8 %258, 48
  %260 = or i8 %259, %255
  br label %261

261:                                              ; preds = %238, %246
  %262 = phi i8 [ %242, %238 ], [ %254, %246 ]
  %263 = phi i8 [ %245, %238 ], [ %260, %246 ]
  %264 = uitofp i8 %262 to float
  %265 = uitofp i8 %263 to float
  %266 = load half, ptr %235, align 1
  %267 = fpext half %266 to float
  %268 = fmul float %264, %267
  %269 = insertelement <16 x float> poison, float %268, i64 0
  %270 = shufflevector <16 x float> %269, <16 x float> poison, <16 x i32> zeroinitializer
  %271 = getelementptr inbounds nuw i8, ptr %235, i64 2
  %272 = load half, ptr %271, align 1
  %273 = fpext half %272 to float
  %274 = fneg float %273
  %275 = fmul float %265, %274
  %276 = insertelement <16 x float> poison, float %275, i64 0
  %277 = shufflevector <16 x float> %276, <16 x float> poison, <16 x i32> zeroinitializer
  %278 = getelementptr inbounds nuw i8, ptr %235, i64 16
  %279 = shl nuw nsw i64 %236, 4
  %280 = and i64 %279, 96
  %281 = getelementptr inbounds nuw i8, ptr %278, i64 %280
  %282 = trunc i64 %230 to i8
  %283 = shl i8 %282, 2
  %284 = and i8 %283, 4
  %285 = load <16 x i8>, ptr %281, align 1
  %286 = insertelement <16 x i8> poison, i8 %284, i64 0
  %287 = shufflevector <16 x i8> %286, <16 x i8> poison, <16 x i32> zeroinitializer
  %288 = lshr <16 x i8> %285, %287
  %289 = and <16 x i8> %288, splat (i8 15)
  %290 = uitofp <16 x i8> %289 to <16 x float>
  %291 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %290, <16 x float> %270, <16 x float> %277)
  %292 = getelementptr inbounds nuw i8, ptr %281, i64 16
  %293 = load <16 x i8>, ptr %292, align 1
  %294 = lshr <16 x i8> %293, %287
  %295 = and <16 x i8> %294, splat (i8 15)
  %296 = uitofp <16 x i8> %295 to <16 x float>
  %297 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %296, <16 x float> %270, <16 x float> %277)
  %298 = shl nsw i64 %230, 7
  %299 = getelementptr inbounds nuw i8, ptr %207, i64 %298
  %300 = load <16 x float>, ptr %299, align 4
  %301 = getelementptr inbounds nuw i8, ptr %299, i64 64
  %302 = load <16 x float>, ptr %301, align 4
  %303 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %291, <16 x float> %300, <16 x float> %231)
  %304 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %297, <16 x float> %302, <16 x float> %232)
  %305 = add nuw nsw i64 %230, 1
  %306 = icmp eq i64 %305, %13
  br i1 %306, label %210, label %229

307:                                              ; preds = %212, %25
  %308 = add nuw nsw i64 %21, 1
  %309 = icmp eq i64 %308, %3
  br i1 %309, label %19, label %20
}

define void @widen_q4_k(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %39, %3
  ret void

6:                                                ; preds = %3, %39
  %7 = phi i64 [ %76, %39 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = lshr i64 %7, 3
  %12 = mul nuw nsw i64 %11, 144
  %13 = getelementptr inbounds nuw i8, ptr %0, i64 %12
  %14 = and i64 %7, 7
  %15 = icmp ult i64 %14, 4
  br i1 %15, label %16, label %24

16:                                               ; preds = %6
  %17 = getelementptr inbounds nuw i8, ptr %13, i64 4
  %18 = getelementptr i8, ptr %17, i64 %14
  %19 = load i8, ptr %18, align 1
  %20 = and i8 %19, 63
  %21 = getelementptr i8, ptr %18, i64 4
  %22 = load i8, ptr %21, align 1
  %23 = and i8 %22, 63
  br label %39

24:                                               ; preds = %6
  %25 = getelementptr i8, ptr %13, i64 %14
  %26 = getelementptr i8, ptr %25, i64 8
  %27 = load i8, ptr %26, align 1
  %28 = and i8 %27, 15
  %29 = load i8, ptr %25, align 1
  %30 = lshr i8 %29, 2
  %31 = and i8 %30, 48
  %32 = or i8 %31, %28
  %33 = lshr i8 %27, 4
  %34 = getelementptr i8, ptr %25, i64 4
  %35 = load i8, ptr %34, align 1
  %36 = lshr i8 %35, 2
  %37 = and i8 %36, 48
  %38 = or i8 %37, %33
  br label %39

39:                                               ; preds = %16, %24
  %40 = phi i8 [ %20, %16 ], [ %32, %24 ]
  %41 = phi i8 [ %23, %16 ], [ %38, %24 ]
  %42 = uitofp i8 %40 to float
  %43 = uitofp i8 %41 to float
  %44 = load half, ptr %13, align 1
  %45 = fpext half %44 to float
  %46 = fmul float %42, %45
  %47 = insertelement <16 x float> poison, float %46, i64 0
  %48 = shufflevector <16 x float> %47, <16 x float> poison, <16 x i32> zeroinitializer
  %49 = getelementptr inbounds nuw i8, ptr %13, i64 2
  %50 = load half, ptr %49, align 1
  %51 = fpext half %50 to float
  %52 = fneg float %51
  %53 = fmul float %43, %52
  %54 = insertelement <16 x float> poison, float %53, i64 0
  %55 = shufflevector <16 x float> %54, <16 x float> poison, <16 x i32> zeroinitializer
  %56 = getelementptr inbounds nuw i8, ptr %13, i64 16
  %57 = shl nuw nsw i64 %14, 4
  %58 = and i64 %57, 96
  %59 = getelementptr inbounds nuw i8, ptr %56, i64 %58
  %60 = trunc i64 %7 to i8
  %61 = shl i8 %60, 2
  %62 = and i8 %61, 4
  %63 = load <16 x i8>, ptr %59, align 1
  %64 = insertelement <16 x i8> poison, i8 %62, i64 0
  %65 = shufflevector <16 x i8> %64, <16 x i8> poison, <16 x i32> zeroinitializer
  %66 = lshr <16 x i8> %63, %65
  %67 = and <16 x i8> %66, splat (i8 15)
  %68 = uitofp <16 x i8> %67 to <16 x float>
  %69 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %68, <16 x float> %48, <16 x float> %55)
  store <16 x float> %69, ptr %9, align 4
  %70 = getelementptr inbounds nuw i8, ptr %59, i64 16
  %71 = load <16 x i8>, ptr %70, align 1
  %72 = lshr <16 x i8> %71, %65
  %73 = and <16 x i8> %72, splat (i8 15)
  %74 = uitofp <16 x i8> %73 to <16 x float>
  %75 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %74, <16 x float> %48, <16 x float> %55)
  store <16 x float> %75, ptr %10, align 4
  %76 = add nuw nsw i64 %7, 1
  %77 = icmp eq i64 %76, %2
  br i1 %77, label %5, label %6
}

define void @matvec_q5_k(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %19

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 256
  %11 = mul nsw i64 %10, 176
  %12 = icmp slt i64 %5, 4
  %13 = sdiv i64 %4, 32
  %14 = icmp sgt i64 %4, 31
  %15 = shl i64 %4, 3
  %16 = mul i64 %4, 12
  %17 = shl nsw i64 %6, 3
  %18 = mul nsw i64 %6, 12
  br label %20

19:                                               ; preds = %337, %7
  ret void

20:                                               ; preds = %9, %337
  %21 = phi i64 [ 0, %9 ], [ %338, %337 ]
  %22 = mul nsw i64 %11, %21
  %23 = getelementptr inbounds i8, ptr %0, i64 %22
  %24 = getelementptr float, ptr %2, i64 %21
  br i1 %12, label %25, label %28

25:                                               ; preds = %40, %20
  %26 = phi i64 [ 0, %20 ], [ %29, %40 ]
  %27 = icmp slt i64 %26, %5
  br i1 %27, label %219, label %337

28:                                               ; preds = %20, %40
  %29 = phi i64 [ %100, %40 ], [ 4, %20 ]
  %30 = phi i64 [ %29, %40 ], [ 0, %20 ]
  %31 = mul nsw i64 %30, %4
  %32 = getelementptr inbounds float, ptr %1, i64 %31
  %33 = mul nsw i64 %30, %6
  %34 = getelementptr float, ptr %24, i64 %33
  br i1 %14, label %102, label %40

35:                                               ; preds = %140
  %36 = fadd <16 x float> %195, %198
  %37 = fadd <16 x float> %201, %204
  %38 = fadd <16 x float> %207, %210
  %39 = fadd <16 x float> %213, %216
  br label %40

40:                                               ; preds = %35, %28
  %41 = phi <16 x float> [ %36, %35 ], [ zeroinitializer, %28 ]
  %42 = phi <16 x float> [ %37, %35 ], [ zeroinitializer, %28 ]
  %43 = phi <16 x float> [ %38, %35 ], [ zeroinitializer, %28 ]
  %44 = phi <16 x float> [ %39, %35 ], [ zeroinitializer, %28 ]
  %45 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %46 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %47 = fadd <8 x float> %45, %46
  %48 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %49 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %50 = fadd <4 x float> %48, %49
  %51 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %52 = fadd <4 x float> %50, %51
  %53 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %54 = fadd <4 x float> %50, %53
  %55 = shufflevector <4 x float> %54, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %56 = fadd <4 x float> %52, %55
  %57 = extractelement <4 x float> %56, i64 0
  store float %57, ptr %34, align 4
  %58 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %59 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %60 = fadd <8 x float> %58, %59
  %61 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %62 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %63 = fadd <4 x float> %61, %62
  %64 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %65 = fadd <4 x float> %63, %64
  %66 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %67 = fadd <4 x float> %63, %66
  %68 = shufflevector <4 x float> %67, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %69 = fadd <4 x float> %65, %68
  %70 = extractelement <4 x float> %69, i64 0
  %71 = getelementptr inbounds float, ptr %34, i64 %6
  store float %70, ptr %71, align 4
  %72 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %73 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %74 = fadd <8 x float> %72, %73
  %75 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %76 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %77 = fadd <4 x float> %75, %76
  %78 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %79 = fadd <4 x float> %77, %78
  %80 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %81 = fadd <4 x float> %77, %80
  %82 = shufflevector <4 x float> %81, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %83 = fadd <4 x float> %79, %82
  %84 = extractelement <4 x float> %83, i64 0
  %85 = getelementptr inbounds i8, ptr %34, i64 %17
  store float %84, ptr %85, align 4
  %86 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %87 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %88 = fadd <8 x float> %86, %87
  %89 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %90 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %91 = fadd <4 x float> %89, %90
  %92 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %93 = fadd <4 x float> %91, %92
  %94 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %95 = fadd <4 x float> %91, %94
  %96 = shufflevector <4 x float> %95, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %97 = fadd <4 x float> %93, %96
  %98 = extractelement <4 x float> %97, i64 0
  %99 = getelementptr inbounds i8, ptr %34, i64 %18
  store float %98, ptr %99, align 4
  %100 = add nuw nsw i64 %29, 4
  %101 = icmp sgt i64 %100, %5
  br i1 %101, label %25, label %28

102:                                              ; preds = %28, %140
  %103 = phi <16 x float> [ %213, %140 ], [ zeroinitializer, %28 ]
  %104 = phi <16 x float> [ %207, %140 ], [ zeroinitializer, %28 ]
  %105 = phi <16 x float> [ %201, %140 ], [ zeroinitializer, %28 ]
  %106 = phi <16 x float> [ %195, %140 ], [ zeroinitializer, %28 ]
  %107 = phi <16 x float> [ %216, %140 ], [ zeroinitializer, %28 ]
  %108 = phi <16 x float> [ %210, %140 ], [ zeroinitializer, %28 ]
  %109 = phi <16 x float> [ %204, %140 ], [ zeroinitializer, %28 ]
  %110 = phi <16 x float> [ %198, %140 ], [ zeroinitializer, %28 ]
  %111 = phi i64 [ %217, %140 ], [ 0, %28 ]
  %112 = lshr i64 %111, 3
  %113 = mul nuw nsw i64 %112, 176
  %114 = getelementptr inbounds nuw i8, ptr %23, i64 %113
  %115 = and i64 %111, 7
  %116 = icmp ult i64 %115, 4
  br i1 %116, label %117, label %125

117:                                              ; preds = %102
  %118 = getelementptr inbounds nuw i8, ptr %114, i64 4
  %119 = getelementptr i8, ptr %118, i64 %115
  %120 = load i8, ptr %119, align 1
  %121 = and i8 %120, 63
  %122 = getelementptr i8, ptr %119, i64 4
  %123 = load i8, ptr %122, align 1
  %124 = and i8 %123, 63
  br label %140

125:                                              ; preds = %102
  %126 = getelementptr i8, ptr %114, i64 %115
  %127 = getelementptr i8, ptr %126, i64 8
  %128 = load i8, ptr %127, align 1
  %129 = and i8 %128, 15
  %130 = load i8, ptr %126, align 1
  %131 = lshr i8 %130, 2
  %132 = and i8 %131, 48
  %133 = or i8 %132, %129
  %134 = lshr i8 %128, 4
  %135 = getelementptr i8, ptr %126, i64 4
  %136 = load i8, ptr %135, align 1
  %137 = lshr i8 %136, 2
  %138 = and i8 %137, 48
  %139 = or i8 %138, %134
  br label %140

140:                                              ; preds = %117, %125
  %141 = phi i8 [ %121, %117 ], [ %133, %125 ]
  %142 = phi i8 [ %124, %117 ], [ %139, %125 ]
  %143 = uitofp i8 %141 to float
  %144 = uitofp i8 %142 to float
  %145 = load half, ptr %114, align 1
  %146 = fpext half %145 to float
  %147 = fmul float %143, %146
  %148 = insertelement <16 x float> poison, float %147, i64 0
  %149 = shufflevector <16 x float> %148, <16 x float> poison, <16 x i32> zeroinitializer
  %150 = getelementptr inbounds nuw i8, ptr %114, i64 2
  %151 = load half, ptr %150, align 1
  %152 = fpext half %151 to float
  %153 = fneg float %152
  %154 = fmul float %144, %153
  %155 = insertelement <16 x float> poison, float %154, i64 0
  %156 = shufflevector <16 x float> %155, <16 x float> poison, <16 x i32> zeroinitializer
  %157 = getelementptr inbounds nuw i8, ptr %114, i64 48
  %158 = shl nuw nsw i64 %115, 4
  %159 = and i64 %158, 96
  %160 = getelementptr inbounds nuw i8, ptr %157, i64 %159
  %161 = trunc i64 %111 to i8
  %162 = shl i8 %161, 2
  %163 = and i8 %162, 4
  %164 = getelementptr inbounds nuw i8, ptr %114, i64 16
  %165 = load <16 x i8>, ptr %164, align 1
  %166 = trunc nuw nsw i64 %115 to i8
  %167 = insertelement <16 x i8> poison, i8 %166, i64 0
  %168 = shufflevector <16 x i8> %167, <16 x i8> poison, <16 x i32> zeroinitializer
  %169 = lshr <16 x i8> %165, %168
  %170 = shl <16 x i8> %169, splat (i8 4)
  %171 = and <16 x i8> %170, splat (i8 16)
  %172 = getelementptr inbounds nuw i8, ptr %114, i64 32
  %173 = load <16 x i8>, ptr %172, align 1
  %174 = lshr <16 x i8> %173, %168
  %175 = shl <16 x i8> %174, splat (i8 4)
  %176 = and <16 x i8> %175, splat (i8 16)
  %177 = load <16 x i8>, ptr %160, align 1
  %178 = insertelement <16 x i8> poison, i8 %163, i64 0
  %179 = shufflevector <16 x i8> %178, <16 x i8> poison, <16 x i32> zeroinitializer
  %180 = lshr <16 x i8> %177, %179
  %181 = and <16 x i8> %180, splat (i8 15)
  %182 = or <16 x i8> %181, %171
  %183 = uitofp <16 x i8> %182 to <16 x float>
  %184 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %183, <16 x float> %149, <16 x float> %156)
  %185 = getelementptr inbounds nuw i8, ptr %160, i64 16
  %186 = load <16 x i8>, ptr %185, align 1
  %187 = lshr <16 x i8> %186, %179
  %188 = and <16 x i8> %187, splat (i8 15)
  %189 = or <16 x i8> %188, %176
  %190 = uitofp <16 x i8> %189 to <16 x float>
  %191 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %190, <16 x float> %149, <16 x float> %156)
  %192 = shl nsw i64 %111, 7
  %193 = getelementptr i8, ptr %32, i64 %192
  %194 = load <16 x float>, ptr %193, align 4
  %195 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %184, <16 x float> %194, <16 x float> %106)
  %196 = getelementptr inbounds nuw i8, ptr %193, i64 64
  %197 = load <16 x float>, ptr %196, align 4
  %198 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %191, <16 x float> %197, <16 x float> %110)
  %199 = getelementptr float, ptr %193, i64 %4
  %200 = load <16 x float>, ptr %199, align 4
  %201 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %184, <16 x float> %200, <16 x float> %105)
  %202 = getelementptr inbounds nuw i8, ptr %199, i64 64
  %203 = load <16 x float>, ptr %202, align 4
  %204 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %191, <16 x float> %203, <16 x float> %109)
  %205 = getelementptr i8, ptr %193, i64 %15
  %206 = load <16 x float>, ptr %205, align 4
  %207 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %184, <16 x float> %206, <16 x float> %104)
  %208 = getelementptr inbounds nuw i8, ptr %205, i64 64
  %209 = load <16 x float>, ptr %208, align 4
  %210 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %191, <16 x float> %209, <16 x float> %108)
  %211 = getelementptr i8, ptr %193, i64 %16
  %212 = load <16 x float>, ptr %211, align 4
  %213 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %184, <16 x float> %212, <16 x float> %103)
  %214 = getelementptr inbounds nuw i8, ptr %211, i64 64
  %215 = load <16 x float>, ptr %214, align 4
  %216 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %191, <16 x float> %215, <16 x float> %107)
  %217 = add nuw nsw i64 %111, 1
  %218 = icmp eq i64 %217, %13
  br i1 %218, label %35, label %102

219:                                              ; preds = %25, %227
  %220 = phi i64 [ %242, %227 ], [ %26, %25 ]
  %221 = mul nsw i64 %220, %4
  %222 = getelementptr inbounds float, ptr %1, i64 %221
  %223 = mul nsw i64 %220, %6
  %224 = getelementptr float, ptr %24, i64 %223
  br i1 %14, label %244, label %227

225:                                              ; preds = %276
  %226 = fadd <16 x float> %334, %333
  br label %227

227:                                              ; preds = %225, %219
  %228 = phi <16 x float> [ zeroinitializer, %219 ], [ %226, %225 ]
  %229 = shufflevector <16 x float> %228, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %230 = shufflevector <16 x float> %228, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %231 = fadd <8 x float> %229, %230
  %232 = shufflevector <8 x float> %231, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %233 = shufflevector <8 x float> %231, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %234 = fadd <4 x float> %232, %233
  %235 = shufflevector <4 x float> %234, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %236 = fadd <4 x float> %234, %235
  %237 = shufflevector <4 x float> %234, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %238 = fadd <4 x float> %234, %237
  %239 = shufflevector <4 x float> %238, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %240 = fadd <4 x float> %236, %239
  %241 = extractelement <4 x float> %240, i64 0
  store float %241, ptr %224, align 4
  %242 = add nuw nsw i64 %220, 1
  %243 = icmp eq i64 %242, %5
  br i1 %243, label %337, label %219

244:                                              ; preds = %219, %276
  %245 = phi i64 [ %335, %276 ], [ 0, %219 ]
  %246 = phi <16 x float> [ %333, %276 ], [ zeroinitializer, %219 ]
  %247 = phi <16 x float> [ %334, %276 ], [ zeroinitializer, %219 ]
  %248 = lshr i64 %245, 3
  %249 = mul nuw nsw i64 %248, 176
  %250 = getelementptr inbounds nuw i8, ptr %23, i64 %249
  %251 = and i64 %245, 7
  %252 = icmp ult i64 %251, 4
  br i1 %252, label %253, label %261

253:                                              ; preds = %244
  %254 = getelementptr inbounds nuw i8, ptr %250, i64 4
  %255 = getelementptr i8, ptr %254, i64 %251
  %256 = load i8, ptr %255, align 1
  %257 = and i8 %256, 63
  %258 = getelementptr i8, ptr %255, i64 4
  %259 = load i8, ptr %258, align 1
  %260 = and i8 %259, 63
  br label %276

261:                                              ; preds = %244
  %262 = getelementptr i8, ptr %250, i64 %251
  %263 = getelementptr i8, ptr %262, i64 8
  %264 = load i8, ptr %263, align 1
  %265 = and i8 %264, 15
  %266 = load i8, ptr %262, align 1
  %267 = lshr i8 %266, 2
  %268 = and i8 %267, 48
  %269 = or i8 %268, %265
  %270 = lshr i8 %264, 4
  %271 = getelementptr i8, ptr %262, i64 4
  %272 = load i8, ptr %271, align 1
  %273 = lshr i8 %272, 2
  %274 = and i8 %273, 48
  %275 = or i8 %274, %270
  br label %276

276:                                              ; preds = %253, %261
  %277 = phi i8 [ %257, %253 ], [ %269, %261 ]
  %278 = phi i8 [ %260, %253 ], [ %275, %261 ]
  %279 = uitofp i8 %277 to float
  %280 = uitofp i8 %278 to float
  %281 = load half, ptr %250, align 1
  %282 = fpext half %281 to float
  %283 = fmul float %279, %282
  %284 = insertelement <16 x float> poison, float %283, i64 0
  %285 = shufflevector <16 x float> %284, <16 x float> poison, <16 x i32> zeroinitializer
  %286 = getelementptr inbounds nuw i8, ptr %250, i64 2
  %287 = load half, ptr %286, align 1
  %288 = fpext half %287 to float
  %289 = fneg float %288
  %290 = fmul float %280, %289
  %291 = insertelement <16 x float> poison, float %290, i64 0
  %292 = shufflevector <16 x float> %291, <16 x float> poison, <16 x i32> zeroinitializer
  %293 = getelementptr inbounds nuw i8, ptr %250, i64 48
  %294 = shl nuw nsw i64 %251, 4
  %295 = and i64 %294, 96
  %296 = getelementptr inbounds nuw i8, ptr %293, i64 %295
  %297 = trunc i64 %245 to i8
  %298 = shl i8 %297, 2
  %299 = and i8 %298, 4
  %300 = getelementptr inbounds nuw i8, ptr %250, i64 16
  %301 = load <16 x i8>, ptr %300, align 1
  %302 = trunc nuw nsw i64 %251 to i8
  %303 = insertelement <16 x i8> poison, i8 %302, i64 0
  %304 = shufflevector <16 x i8> %303, <16 x i8> poison, <16 x i32> zeroinitializer
  %305 = lshr <16 x i8> %301, %304
  %306 = shl <16 x i8> %305, splat (i8 4)
  %307 = and <16 x i8> %306, splat (i8 16)
  %308 = getelementptr inbounds nuw i8, ptr %250, i64 32
  %309 = load <16 x i8>, ptr %308, align 1
  %310 = lshr <16 x i8> %309, %304
  %311 = shl <16 x i8> %310, splat (i8 4)
  %312 = and <16 x i8> %311, splat (i8 16)
  %313 = load <16 x i8>, ptr %296, align 1
  %314 = insertelement <16 x i8> poison, i8 %299, i64 0
  %315 = shufflevector <16 x i8> %314, <16 x i8> poison, <16 x i32> zeroinitializer
  %316 = lshr <16 x i8> %313, %315
  %317 = and <16 x i8> %316, splat (i8 15)
  %318 = or <16 x i8> %317, %307
  %319 = uitofp <16 x i8> %318 to <16 x float>
  %320 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %319, <16 x float> %285, <16 x float> %292)
  %321 = getelementptr inbounds nuw i8, ptr %296, i64 16
  %322 = load <16 x i8>, ptr %321, align 1
  %323 = lshr <16 x i8> %322, %315
  %324 = and <16 x i8> %323, splat (i8 15)
  %325 = or <16 x i8> %324, %312
  %326 = uitofp <16 x i8> %325 to <16 x float>
  %327 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %326, <16 x float> %285, <16 x float> %292)
  %328 = shl nsw i64 %245, 7
  %329 = getelementptr inbounds nuw i8, ptr %222, i64 %328
  %330 = load <16 x float>, ptr %329, align 4
  %331 = getelementptr inbounds nuw i8, ptr %329, i64 64
  %332 = load <16 x float>, ptr %331, align 4
  %333 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %320, <16 x float> %330, <16 x float> %246)
  %334 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %327, <16 x float> %332, <16 x float> %247)
  %335 = add nuw nsw i64 %245, 1
  %336 = icmp eq i64 %335, %13
  br i1 %336, label %225, label %244

337:                                              ; preds = %227, %25
  %338 = add nuw nsw i64 %21, 1
  %339 = icmp eq i64 %338, %3
  br i1 %339, label %19, label %20
}

define void @widen_q5_k(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %39, %3
  ret void

6:                                                ; preds = %3, %39
  %7 = phi i64 [ %91, %39 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = lshr i64 %7, 3
  %12 = mul nuw nsw i64 %11, 176
  %13 = getelementptr inbounds nuw i8, ptr %0, i64 %12
  %14 = and i64 %7, 7
  %15 = icmp ult i64 %14, 4
  br i1 %15, label %16, label %24

16:                                               ; preds = %6
  %17 = getelementptr inbounds nuw i8, ptr %13, i64 4
  %18 = getelementptr i8, ptr %17, i64 %14
  %19 = load i8, ptr %18, align 1
  %20 = and i8 %19, 63
  %21 = getelementptr i8, ptr %18, i64 4
  %22 = load i8, ptr %21, align 1
  %23 = and i8 %22, 63
  br label %39

24:                                               ; preds = %6
  %25 = getelementptr i8, ptr %13, i64 %14
  %26 = getelementptr i8, ptr %25, i64 8
  %27 = load i8, ptr %26, align 1
  %28 = and i8 %27, 15
  %29 = load i8, ptr %25, align 1
  %30 = lshr i8 %29, 2
  %31 = and i8 %30, 48
  %32 = or i8 %31, %28
  %33 = lshr i8 %27, 4
  %34 = getelementptr i8, ptr %25, i64 4
  %35 = load i8, ptr %34, align 1
  %36 = lshr i8 %35, 2
  %37 = and i8 %36, 48
  %38 = or i8 %37, %33
  br label %39

39:                                               ; preds = %16, %24
  %40 = phi i8 [ %20, %16 ], [ %32, %24 ]
  %41 = phi i8 [ %23, %16 ], [ %38, %24 ]
  %42 = uitofp i8 %40 to float
  %43 = uitofp i8 %41 to float
  %44 = load half, ptr %13, align 1
  %45 = fpext half %44 to float
  %46 = fmul float %42, %45
  %47 = insertelement <16 x float> poison, float %46, i64 0
  %48 = shufflevector <16 x float> %47, <16 x float> poison, <16 x i32> zeroinitializer
  %49 = getelementptr inbounds nuw i8, ptr %13, i64 2
  %50 = load half, ptr %49, align 1
  %51 = fpext half %50 to float
  %52 = fneg float %51
  %53 = fmul float %43, %52
  %54 = insertelement <16 x float> poison, float %53, i64 0
  %55 = shufflevector <16 x float> %54, <16 x float> poison, <16 x i32> zeroinitializer
  %56 = getelementptr inbounds nuw i8, ptr %13, i64 48
  %57 = shl nuw nsw i64 %14, 4
  %58 = and i64 %57, 96
  %59 = getelementptr inbounds nuw i8, ptr %56, i64 %58
  %60 = trunc i64 %7 to i8
  %61 = shl i8 %60, 2
  %62 = and i8 %61, 4
  %63 = getelementptr inbounds nuw i8, ptr %13, i64 16
  %64 = load <16 x i8>, ptr %63, align 1
  %65 = trunc nuw nsw i64 %14 to i8
  %66 = insertelement <16 x i8> poison, i8 %65, i64 0
  %67 = shufflevector <16 x i8> %66, <16 x i8> poison, <16 x i32> zeroinitializer
  %68 = lshr <16 x i8> %64, %67
  %69 = shl <16 x i8> %68, splat (i8 4)
  %70 = and <16 x i8> %69, splat (i8 16)
  %71 = getelementptr inbounds nuw i8, ptr %13, i64 32
  %72 = load <16 x i8>, ptr %71, align 1
  %73 = lshr <16 x i8> %72, %67
  %74 = shl <16 x i8> %73, splat (i8 4)
  %75 = and <16 x i8> %74, splat (i8 16)
  %76 = load <16 x i8>, ptr %59, align 1
  %77 = insertelement <16 x i8> poison, i8 %62, i64 0
  %78 = shufflevector <16 x i8> %77, <16 x i8> poison, <16 x i32> zeroinitializer
  %79 = lshr <16 x i8> %76, %78
  %80 = and <16 x i8> %79, splat (i8 15)
  %81 = or <16 x i8> %80, %70
  %82 = uitofp <16 x i8> %81 to <16 x float>
  %83 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %82, <16 x float> %48, <16 x float> %55)
  store <16 x float> %83, ptr %9, align 4
  %84 = getelementptr inbounds nuw i8, ptr %59, i64 16
  %85 = load <16 x i8>, ptr %84, align 1
  %86 = lshr <16 x i8> %85, %78
  %87 = and <16 x i8> %86, splat (i8 15)
  %88 = or <16 x i8> %87, %75
  %89 = uitofp <16 x i8> %88 to <16 x float>
  %90 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %89, <16 x float> %48, <16 x float> %55)
  store <16 x float> %90, ptr %10, align 4
  %91 = add nuw nsw i64 %7, 1
  %92 = icmp eq i64 %91, %2
  br i1 %92, label %5, label %6
}

define void @matvec_q6_k(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias writeonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %19

9:                                                ; preds = %7
  %10 = sdiv i64 %4, 256
  %11 = mul nsw i64 %10, 210
  %12 = icmp slt i64 %5, 4
  %13 = sdiv i64 %4, 32
  %14 = icmp sgt i64 %4, 31
  %15 = shl i64 %4, 3
  %16 = mul i64 %4, 12
  %17 = shl nsw i64 %6, 3
  %18 = mul nsw i64 %6, 12
  br label %20

19:                                               ; preds = %301, %7
  ret void

20:                                               ; preds = %9, %301
  %21 = phi i64 [ 0, %9 ], [ %302, %301 ]
  %22 = mul nsw i64 %11, %21
  %23 = getelementptr inbounds i8, ptr %0, i64 %22
  %24 = getelementptr float, ptr %2, i64 %21
  br i1 %12, label %25, label %28

25:                                               ; preds = %40, %20
  %26 = phi i64 [ 0, %20 ], [ %29, %40 ]
  %27 = icmp slt i64 %26, %5
  br i1 %27, label %201, label %301

28:                                               ; preds = %20, %40
  %29 = phi i64 [ %100, %40 ], [ 4, %20 ]
  %30 = phi i64 [ %29, %40 ], [ 0, %20 ]
  %31 = mul nsw i64 %30, %4
  %32 = getelementptr inbounds float, ptr %1, i64 %31
  %33 = mul nsw i64 %30, %6
  %34 = getelementptr float, ptr %24, i64 %33
  br i1 %14, label %102, label %40

35:                                               ; preds = %102
  %36 = fadd <16 x float> %177, %180
  %37 = fadd <16 x float> %183, %186
  %38 = fadd <16 x float> %189, %192
  %39 = fadd <16 x float> %195, %198
  br label %40

40:                                               ; preds = %35, %28
  %41 = phi <16 x float> [ %36, %35 ], [ zeroinitializer, %28 ]
  %42 = phi <16 x float> [ %37, %35 ], [ zeroinitializer, %28 ]
  %43 = phi <16 x float> [ %38, %35 ], [ zeroinitializer, %28 ]
  %44 = phi <16 x float> [ %39, %35 ], [ zeroinitializer, %28 ]
  %45 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %46 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %47 = fadd <8 x float> %45, %46
  %48 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %49 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %50 = fadd <4 x float> %48, %49
  %51 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %52 = fadd <4 x float> %50, %51
  %53 = shufflevector <4 x float> %50, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %54 = fadd <4 x float> %50, %53
  %55 = shufflevector <4 x float> %54, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %56 = fadd <4 x float> %52, %55
  %57 = extractelement <4 x float> %56, i64 0
  store float %57, ptr %34, align 4
  %58 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %59 = shufflevector <16 x float> %42, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %60 = fadd <8 x float> %58, %59
  %61 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %62 = shufflevector <8 x float> %60, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %63 = fadd <4 x float> %61, %62
  %64 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %65 = fadd <4 x float> %63, %64
  %66 = shufflevector <4 x float> %63, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %67 = fadd <4 x float> %63, %66
  %68 = shufflevector <4 x float> %67, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %69 = fadd <4 x float> %65, %68
  %70 = extractelement <4 x float> %69, i64 0
  %71 = getelementptr inbounds float, ptr %34, i64 %6
  store float %70, ptr %71, align 4
  %72 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %73 = shufflevector <16 x float> %43, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %74 = fadd <8 x float> %72, %73
  %75 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %76 = shufflevector <8 x float> %74, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %77 = fadd <4 x float> %75, %76
  %78 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %79 = fadd <4 x float> %77, %78
  %80 = shufflevector <4 x float> %77, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %81 = fadd <4 x float> %77, %80
  %82 = shufflevector <4 x float> %81, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %83 = fadd <4 x float> %79, %82
  %84 = extractelement <4 x float> %83, i64 0
  %85 = getelementptr inbounds i8, ptr %34, i64 %17
  store float %84, ptr %85, align 4
  %86 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %87 = shufflevector <16 x float> %44, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %88 = fadd <8 x float> %86, %87
  %89 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %90 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %91 = fadd <4 x float> %89, %90
  %92 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %93 = fadd <4 x float> %91, %92
  %94 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %95 = fadd <4 x float> %91, %94
  %96 = shufflevector <4 x float> %95, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %97 = fadd <4 x float> %93, %96
  %98 = extractelement <4 x float> %97, i64 0
  %99 = getelementptr inbounds i8, ptr %34, i64 %18
  store float %98, ptr %99, align 4
  %100 = add nuw nsw i64 %29, 4
  %101 = icmp sgt i64 %100, %5
  br i1 %101, label %25, label %28

102:                                              ; preds = %28, %102
  %103 = phi <16 x float> [ %195, %102 ], [ zeroinitializer, %28 ]
  %104 = phi <16 x float> [ %189, %102 ], [ zeroinitializer, %28 ]
  %105 = phi <16 x float> [ %183, %102 ], [ zeroinitializer, %28 ]
  %106 = phi <16 x float> [ %177, %102 ], [ zeroinitializer, %28 ]
  %107 = phi <16 x float> [ %198, %102 ], [ zeroinitializer, %28 ]
  %108 = phi <16 x float> [ %192, %102 ], [ zeroinitializer, %28 ]
  %109 = phi <16 x float> [ %186, %102 ], [ zeroinitializer, %28 ]
  %110 = phi <16 x float> [ %180, %102 ], [ zeroinitializer, %28 ]
  %111 = phi i64 [ %199, %102 ], [ 0, %28 ]
  %112 = lshr i64 %111, 3
  %113 = mul nuw nsw i64 %112, 210
  %114 = getelementptr inbounds nuw i8, ptr %23, i64 %113
  %115 = and i64 %111, 7
  %116 = lshr i64 %115, 2
  %117 = shl nuw nsw i64 %116, 6
  %118 = getelementptr inbounds nuw i8, ptr %114, i64 %117
  %119 = shl i64 %111, 5
  %120 = and i64 %119, 32
  %121 = getelementptr inbounds nuw i8, ptr %118, i64 %120
  %122 = getelementptr inbounds nuw i8, ptr %114, i64 128
  %123 = shl nuw nsw i64 %116, 5
  %124 = getelementptr inbounds nuw i8, ptr %122, i64 %123
  %125 = trunc i64 %111 to i8
  %126 = shl i8 %125, 1
  %127 = and i8 %126, 6
  %128 = and i8 %126, 4
  %129 = getelementptr inbounds nuw i8, ptr %114, i64 208
  %130 = load half, ptr %129, align 1
  %131 = fpext half %130 to float
  %132 = getelementptr inbounds nuw i8, ptr %114, i64 192
  %133 = shl nuw nsw i64 %115, 1
  %134 = getelementptr inbounds nuw i8, ptr %132, i64 %133
  %135 = load <16 x i8>, ptr %124, align 1
  %136 = insertelement <16 x i8> poison, i8 %127, i64 0
  %137 = shufflevector <16 x i8> %136, <16 x i8> poison, <16 x i32> zeroinitializer
  %138 = lshr <16 x i8> %135, %137
  %139 = shl <16 x i8> %138, splat (i8 4)
  %140 = and <16 x i8> %139, splat (i8 48)
  %141 = getelementptr inbounds nuw i8, ptr %124, i64 16
  %142 = load <16 x i8>, ptr %141, align 1
  %143 = lshr <16 x i8> %142, %137
  %144 = shl <16 x i8> %143, splat (i8 4)
  %145 = and <16 x i8> %144, splat (i8 48)
  %146 = load <16 x i8>, ptr %121, align 1
  %147 = insertelement <16 x i8> poison, i8 %128, i64 0
  %148 = shufflevector <16 x i8> %147, <16 x i8> poison, <16 x i32> zeroinitializer
  %149 = lshr <16 x i8> %146, %148
  %150 = and <16 x i8> %149, splat (i8 15)
  %151 = or <16 x i8> %150, %140
  %152 = uitofp <16 x i8> %151 to <16 x float>
  %153 = fadd <16 x float> %152, splat (float -3.200000e+01)
  %154 = load i8, ptr %134, align 1
  %155 = sitofp i8 %154 to float
  %156 = fmul float %131, %155
  %157 = insertelement <16 x float> poison, float %156, i64 0
  %158 = shufflevector <16 x float> %157, <16 x float> poison, <16 x i32> zeroinitializer
  %159 = fmul <16 x float> %153, %158
  %160 = getelementptr inbounds nuw i8, ptr %121, i64 16
  %161 = load <16 x i8>, ptr %160, align 1
  %162 = lshr <16 x i8> %161, %148
  %163 = and <16 x i8> %162, splat (i8 15)
  %164 = or <16 x i8> %163, %145
  %165 = uitofp <16 x i8> %164 to <16 x float>
  %166 = fadd <16 x float> %165, splat (float -3.200000e+01)
  %167 = getelementptr inbounds nuw i8, ptr %134, i64 1
  %168 = load i8, ptr %167, align 1
  %169 = sitofp i8 %168 to float
  %170 = fmul float %131, %169
  %171 = insertelement <16 x float> poison, float %170, i64 0
  %172 = shufflevector <16 x float> %171, <16 x float> poison, <16 x i32> zeroinitializer
  %173 = fmul <16 x float> %166, %172
  %174 = shl nsw i64 %111, 7
  %175 = getelementptr i8, ptr %32, i64 %174
  %176 = load <16 x float>, ptr %175, align 4
  %177 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %159, <16 x float> %176, <16 x float> %106)
  %178 = getelementptr inbounds nuw i8, ptr %175, i64 64
  %179 = load <16 x float>, ptr %178, align 4
  %180 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %179, <16 x float> %110)
  %181 = getelementptr float, ptr %175, i64 %4
  %182 = load <16 x float>, ptr %181, align 4
  %183 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %159, <16 x float> %182, <16 x float> %105)
  %184 = getelementptr inbounds nuw i8, ptr %181, i64 64
  %185 = load <16 x float>, ptr %184, align 4
  %186 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %185, <16 x float> %109)
  %187 = getelementptr i8, ptr %175, i64 %15
  %188 = load <16 x float>, ptr %187, align 4
  %189 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %159, <16 x float> %188, <16 x float> %104)
  %190 = getelementptr inbounds nuw i8, ptr %187, i64 64
  %191 = load <16 x float>, ptr %190, align 4
  %192 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %191, <16 x float> %108)
  %193 = getelementptr i8, ptr %175, i64 %16
  %194 = load <16 x float>, ptr %193, align 4
  %195 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %159, <16 x float> %194, <16 x float> %103)
  %196 = getelementptr inbounds nuw i8, ptr %193, i64 64
  %197 = load <16 x float>, ptr %196, align 4
  %198 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %197, <16 x float> %107)
  %199 = add nuw nsw i64 %111, 1
  %200 = icmp eq i64 %199, %13
  br i1 %200, label %35, label %102

201:                                              ; preds = %25, %209
  %202 = phi i64 [ %224, %209 ], [ %26, %25 ]
  %203 = mul nsw i64 %202, %4
  %204 = getelementptr inbounds float, ptr %1, i64 %203
  %205 = mul nsw i64 %202, %6
  %206 = getelementptr float, ptr %24, i64 %205
  br i1 %14, label %226, label %209

207:                                              ; preds = %226
  %208 = fadd <16 x float> %298, %297
  br label %209

209:                                              ; preds = %207, %201
  %210 = phi <16 x float> [ zeroinitializer, %201 ], [ %208, %207 ]
  %211 = shufflevector <16 x float> %210, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %212 = shufflevector <16 x float> %210, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %213 = fadd <8 x float> %211, %212
  %214 = shufflevector <8 x float> %213, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %215 = shufflevector <8 x float> %213, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %216 = fadd <4 x float> %214, %215
  %217 = shufflevector <4 x float> %216, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %218 = fadd <4 x float> %216, %217
  %219 = shufflevector <4 x float> %216, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %220 = fadd <4 x float> %216, %219
  %221 = shufflevector <4 x float> %220, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %222 = fadd <4 x float> %218, %221
  %223 = extractelement <4 x float> %222, i64 0
  store float %223, ptr %206, align 4
  %224 = add nuw nsw i64 %202, 1
  %225 = icmp eq i64 %224, %5
  br i1 %225, label %301, label %201

226:                                              ; preds = %201, %226
  %227 = phi i64 [ %299, %226 ], [ 0, %201 ]
  %228 = phi <16 x float> [ %297, %226 ], [ zeroinitializer, %201 ]
  %229 = phi <16 x float> [ %298, %226 ], [ zeroinitializer, %201 ]
  %230 = lshr i64 %227, 3
  %231 = mul nuw nsw i64 %230, 210
  %232 = getelementptr inbounds nuw i8, ptr %23, i64 %231
  %233 = and i64 %227, 7
  %234 = lshr i64 %233, 2
  %235 = shl nuw nsw i64 %234, 6
  %236 = getelementptr inbounds nuw i8, ptr %232, i64 %235
  %237 = shl i64 %227, 5
  %238 = and i64 %237, 32
  %239 = getelementptr inbounds nuw i8, ptr %236, i64 %238
  %240 = getelementptr inbounds nuw i8, ptr %232, i64 128
  %241 = shl nuw nsw i64 %234, 5
  %242 = getelementptr inbounds nuw i8, ptr %240, i64 %241
  %243 = trunc i64 %227 to i8
  %244 = shl i8 %243, 1
  %245 = and i8 %244, 6
  %246 = and i8 %244, 4
  %247 = getelementptr inbounds nuw i8, ptr %232, i64 208
  %248 = load half, ptr %247, align 1
  %249 = fpext half %248 to float
  %250 = getelementptr inbounds nuw i8, ptr %232, i64 192
  %251 = shl nuw nsw i64 %233, 1
  %252 = getelementptr inbounds nuw i8, ptr %250, i64 %251
  %253 = load <16 x i8>, ptr %242, align 1
  %254 = insertelement <16 x i8> poison, i8 %245, i64 0
  %255 = shufflevector <16 x i8> %254, <16 x i8> poison, <16 x i32> zeroinitializer
  %256 = lshr <16 x i8> %253, %255
  %257 = shl <16 x i8> %256, splat (i8 4)
  %258 = and <16 x i8> %257, splat (i8 48)
  %259 = getelementptr inbounds nuw i8, ptr %242, i64 16
  %260 = load <16 x i8>, ptr %259, align 1
  %261 = lshr <16 x i8> %260, %255
  %262 = shl <16 x i8> %261, splat (i8 4)
  %263 = and <16 x i8> %262, splat (i8 48)
  %264 = load <16 x i8>, ptr %239, align 1
  %265 = insertelement <16 x i8> poison, i8 %246, i64 0
  %266 = shufflevector <16 x i8> %265, <16 x i8> poison, <16 x i32> zeroinitializer
  %267 = lshr <16 x i8> %264, %266
  %268 = and <16 x i8> %267, splat (i8 15)
  %269 = or <16 x i8> %268, %258
  %270 = uitofp <16 x i8> %269 to <16 x float>
  %271 = fadd <16 x float> %270, splat (float -3.200000e+01)
  %272 = load i8, ptr %252, align 1
  %273 = sitofp i8 %272 to float
  %274 = fmul float %249, %273
  %275 = insertelement <16 x float> poison, float %274, i64 0
  %276 = shufflevector <16 x float> %275, <16 x float> poison, <16 x i32> zeroinitializer
  %277 = fmul <16 x float> %271, %276
  %278 = getelementptr inbounds nuw i8, ptr %239, i64 16
  %279 = load <16 x i8>, ptr %278, align 1
  %280 = lshr <16 x i8> %279, %266
  %281 = and <16 x i8> %280, splat (i8 15)
  %282 = or <16 x i8> %281, %263
  %283 = uitofp <16 x i8> %282 to <16 x float>
  %284 = fadd <16 x float> %283, splat (float -3.200000e+01)
  %285 = getelementptr inbounds nuw i8, ptr %252, i64 1
  %286 = load i8, ptr %285, align 1
  %287 = sitofp i8 %286 to float
  %288 = fmul float %249, %287
  %289 = insertelement <16 x float> poison, float %288, i64 0
  %290 = shufflevector <16 x float> %289, <16 x float> poison, <16 x i32> zeroinitializer
  %291 = fmul <16 x float> %284, %290
  %292 = shl nsw i64 %227, 7
  %293 = getelementptr inbounds nuw i8, ptr %204, i64 %292
  %294 = load <16 x float>, ptr %293, align 4
  %295 = getelementptr inbounds nuw i8, ptr %293, i64 64
  %296 = load <16 x float>, ptr %295, align 4
  %297 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %277, <16 x float> %294, <16 x float> %228)
  %298 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %291, <16 x float> %296, <16 x float> %229)
  %299 = add nuw nsw i64 %227, 1
  %300 = icmp eq i64 %299, %13
  br i1 %300, label %207, label %226

301:                                              ; preds = %209, %25
  %302 = add nuw nsw i64 %21, 1
  %303 = icmp eq i64 %302, %3
  br i1 %303, label %19, label %20
}

define void @widen_q6_k(ptr noalias readonly %0, ptr noalias writeonly %1, i64 %2) nounwind "prefer-vector-width"="512" {
  %4 = icmp sgt i64 %2, 0
  br i1 %4, label %6, label %5

5:                                                ; preds = %6, %3
  ret void

6:                                                ; preds = %3, %6
  %7 = phi i64 [ %73, %6 ], [ 0, %3 ]
  %8 = shl nsw i64 %7, 7
  %9 = getelementptr inbounds nuw i8, ptr %1, i64 %8
  %10 = getelementptr inbounds nuw i8, ptr %9, i64 64
  %11 = lshr i64 %7, 3
  %12 = mul nuw nsw i64 %11, 210
  %13 = getelementptr inbounds nuw i8, ptr %0, i64 %12
  %14 = and i64 %7, 7
  %15 = lshr i64 %14, 2
  %16 = shl nuw nsw i64 %15, 6
  %17 = getelementptr inbounds nuw i8, ptr %13, i64 %16
  %18 = shl i64 %7, 5
  %19 = and i64 %18, 32
  %20 = getelementptr inbounds nuw i8, ptr %17, i64 %19
  %21 = getelementptr inbounds nuw i8, ptr %13, i64 128
  %22 = shl nuw nsw i64 %15, 5
  %23 = getelementptr inbounds nuw i8, ptr %21, i64 %22
  %24 = trunc i64 %7 to i8
  %25 = shl i8 %24, 1
  %26 = and i8 %25, 6
  %27 = and i8 %25, 4
  %28 = getelementptr inbounds nuw i8, ptr %13, i64 208
  %29 = load half, ptr %28, align 1
  %30 = fpext half %29 to float
  %31 = getelementptr inbounds nuw i8, ptr %13, i64 192
  %32 = shl nuw nsw i64 %14, 1
  %33 = getelementptr inbounds nuw i8, ptr %31, i64 %32
  %34 = load <16 x i8>, ptr %23, align 1
  %35 = insertelement <16 x i8> poison, i8 %26, i64 0
  %36 = shufflevector <16 x i8> %35, <16 x i8> poison, <16 x i32> zeroinitializer
  %37 = lshr <16 x i8> %34, %36
  %38 = shl <16 x i8> %37, splat (i8 4)
  %39 = and <16 x i8> %38, splat (i8 48)
  %40 = getelementptr inbounds nuw i8, ptr %23, i64 16
  %41 = load <16 x i8>, ptr %40, align 1
  %42 = lshr <16 x i8> %41, %36
  %43 = shl <16 x i8> %42, splat (i8 4)
  %44 = and <16 x i8> %43, splat (i8 48)
  %45 = load <16 x i8>, ptr %20, align 1
  %46 = insertelement <16 x i8> poison, i8 %27, i64 0
  %47 = shufflevector <16 x i8> %46, <16 x i8> poison, <16 x i32> zeroinitializer
  %48 = lshr <16 x i8> %45, %47
  %49 = and <16 x i8> %48, splat (i8 15)
  %50 = or <16 x i8> %49, %39
  %51 = uitofp <16 x i8> %50 to <16 x float>
  %52 = fadd <16 x float> %51, splat (float -3.200000e+01)
  %53 = load i8, ptr %33, align 1
  %54 = sitofp i8 %53 to float
  %55 = fmul float %30, %54
  %56 = insertelement <16 x float> poison, float %55, i64 0
  %57 = shufflevector <16 x float> %56, <16 x float> poison, <16 x i32> zeroinitializer
  %58 = fmul <16 x float> %52, %57
  store <16 x float> %58, ptr %9, align 4
  %59 = getelementptr inbounds nuw i8, ptr %20, i64 16
  %60 = load <16 x i8>, ptr %59, align 1
  %61 = lshr <16 x i8> %60, %47
  %62 = and <16 x i8> %61, splat (i8 15)
  %63 = or <16 x i8> %62, %44
  %64 = uitofp <16 x i8> %63 to <16 x float>
  %65 = fadd <16 x float> %64, splat (float -3.200000e+01)
  %66 = getelementptr inbounds nuw i8, ptr %33, i64 1
  %67 = load i8, ptr %66, align 1
  %68 = sitofp i8 %67 to float
  %69 = fmul float %30, %68
  %70 = insertelement <16 x float> poison, float %69, i64 0
  %71 = shufflevector <16 x float> %70, <16 x float> poison, <16 x i32> zeroinitializer
  %72 = fmul <16 x float> %65, %71
  store <16 x float> %72, ptr %10, align 4
  %73 = add nuw nsw i64 %7, 1
  %74 = icmp eq i64 %73, %2
  br i1 %74, label %5, label %6
}

define void @rms_norm(ptr readonly %0, ptr noalias readonly %1, ptr writeonly %2, i64 %3, i64 %4, float %5) nounwind "prefer-vector-width"="512" {
  %7 = icmp sgt i64 %3, 0
  br i1 %7, label %8, label %24

8:                                                ; preds = %6
  %9 = icmp sgt i64 %4, 0
  %10 = trunc i64 %4 to i32
  %11 = sitofp i32 %10 to float
  %12 = add i64 %4, -1
  %13 = lshr i64 %12, 3
  %14 = add nuw nsw i64 %13, 1
  %15 = and i64 %14, 1
  %16 = icmp eq i64 %13, 0
  %17 = and i64 %14, 4611686018427387902
  %18 = icmp eq i64 %15, 0
  %19 = icmp ne i64 %15, 0
  br label %20

20:                                               ; preds = %8, %60
  %21 = phi ptr [ %0, %8 ], [ %62, %60 ]
  %22 = phi i64 [ 0, %8 ], [ %61, %60 ]
  %23 = phi ptr [ %2, %8 ], [ %63, %60 ]
  br i1 %9, label %42, label %60

24:                                               ; preds = %60, %6
  ret void

25:                                               ; preds = %42
  %26 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %27 = shufflevector <8 x float> %47, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %28 = fadd <4 x float> %26, %27
  %29 = shufflevector <4 x float> %28, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %30 = fadd <4 x float> %28, %29
  %31 = shufflevector <4 x float> %28, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %32 = fadd <4 x float> %28, %31
  %33 = shufflevector <4 x float> %32, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %34 = fadd <4 x float> %30, %33
  %35 = extractelement <4 x float> %34, i64 0
  %36 = fdiv float %35, %11
  %37 = fadd float %5, %36
  %38 = tail call float @llvm.sqrt.f32(float %37)
  %39 = fdiv float 1.000000e+00, %38
  %40 = insertelement <8 x float> poison, float %39, i64 0
  %41 = shufflevector <8 x float> %40, <8 x float> poison, <8 x i32> zeroinitializer
  br i1 %16, label %51, label %65

42:                                               ; preds = %20, %42
  %43 = phi i64 [ %48, %42 ], [ 0, %20 ]
  %44 = phi <8 x float> [ %47, %42 ], [ zeroinitializer, %20 ]
  %45 = getelementptr inbounds nuw float, ptr %21, i64 %43
  %46 = load <8 x float>, ptr %45, align 4
  %47 = tail call <8 x float> @llvm.fma.v8f32(<8 x float> %46, <8 x float> %46, <8 x float> %44)
  %48 = add nuw nsw i64 %43, 8
  %49 = icmp slt i64 %48, %4
  br i1 %49, label %42, label %25

50:                                               ; preds = %65
  br i1 %18, label %60, label %51

51:                                               ; preds = %50, %25
  %52 = phi i64 [ 0, %25 ], [ %83, %50 ]
  tail call void @llvm.assume(i1 %19)
  %53 = getelementptr inbounds nuw float, ptr %21, i64 %52
  %54 = load <8 x float>, ptr %53, align 4
  %55 = fmul <8 x float> %41, %54
  %56 = getelementptr inbounds nuw float, ptr %1, i64 %52
  %57 = load <8 x float>, ptr %56, align 4
  %58 = fmul <8 x float> %55, %57
  %59 = getelementptr inbounds nuw float, ptr %23, i64 %52
  store <8 x float> %58, ptr %59, align 4
  br label %60

60:                                               ; preds = %51, %50, %20
  %61 = add nuw nsw i64 %22, 1
  %62 = getelementptr inbounds float, ptr %21, i64 %4
  %63 = getelementptr inbounds float, ptr %23, i64 %4
  %64 = icmp eq i64 %61, %3
  br i1 %64, label %24, label %20

65:                                               ; preds = %25, %65
  %66 = phi i64 [ %83, %65 ], [ 0, %25 ]
  %67 = phi i64 [ %84, %65 ], [ 0, %25 ]
  %68 = getelementptr inbounds nuw float, ptr %21, i64 %66
  %69 = load <8 x float>, ptr %68, align 4
  %70 = fmul <8 x float> %41, %69
  %71 = getelementptr inbounds nuw float, ptr %1, i64 %66
  %72 = load <8 x float>, ptr %71, align 4
  %73 = fmul <8 x float> %70, %72
  %74 = getelementptr inbounds nuw float, ptr %23, i64 %66
  store <8 x float> %73, ptr %74, align 4
  %75 = or i64 %66, 8
  %76 = getelementptr inbounds nuw float, ptr %21, i64 %75
  %77 = load <8 x float>, ptr %76, align 4
  %78 = fmul <8 x float> %41, %77
  %79 = getelementptr inbounds nuw float, ptr %1, i64 %75
  %80 = load <8 x float>, ptr %79, align 4
  %81 = fmul <8 x float> %78, %80
  %82 = getelementptr inbounds nuw float, ptr %23, i64 %75
  store <8 x float> %81, ptr %82, align 4
  %83 = add nuw nsw i64 %66, 16
  %84 = add i64 %67, 2
  %85 = icmp eq i64 %84, %17
  br i1 %85, label %50, label %65
}

declare <8 x float> @llvm.fma.v8f32(<8 x float>, <8 x float>, <8 x float>)

declare float @llvm.sqrt.f32(float)

define void @gate(ptr readonly %0, ptr readonly %1, ptr writeonly %2, i64 %3, i64 %4) nounwind "prefer-vector-width"="512" {
  %6 = icmp sgt i64 %3, 0
  br i1 %6, label %7, label %9

7:                                                ; preds = %5
  %8 = icmp eq i64 %4, 0
  br label %10

9:                                                ; preds = %19, %5
  ret void

10:                                               ; preds = %7, %19
  %11 = phi i64 [ 0, %7 ], [ %45, %19 ]
  %12 = getelementptr inbounds nuw float, ptr %0, i64 %11
  %13 = load <16 x float>, ptr %12, align 4
  br i1 %8, label %19, label %14

14:                                               ; preds = %10
  %15 = fmul <16 x float> %13, splat (float 0x3FA6E4E260000000)
  %16 = fmul <16 x float> %13, %15
  %17 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %16, <16 x float> %13, <16 x float> %13)
  %18 = fmul <16 x float> %17, splat (float 0x3FF9884540000000)
  br label %19

19:                                               ; preds = %14, %10
  %20 = phi <16 x float> [ %18, %14 ], [ %13, %10 ]
  %21 = tail call <16 x float> @llvm.maxnum.v16f32(<16 x float> %13, <16 x float> splat (float -1.000000e+02))
  %22 = fmul <16 x float> %20, splat (float 0xBFF7154760000000)
  %23 = tail call <16 x float> @llvm.maxnum.v16f32(<16 x float> %22, <16 x float> splat (float -1.260000e+02))
  %24 = tail call <16 x float> @llvm.minnum.v16f32(<16 x float> %23, <16 x float> splat (float 1.260000e+02))
  %25 = tail call <16 x float> @llvm.rint.v16f32(<16 x float> %24)
  %26 = fsub <16 x float> %24, %25
  %27 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %26, <16 x float> splat (float 0x3EEFFCBFC0000000), <16 x float> splat (float 0x3F24309120000000))
  %28 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %27, <16 x float> %26, <16 x float> splat (float 0x3F55D87FE0000000))
  %29 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %28, <16 x float> %26, <16 x float> splat (float 0x3F83B2AB60000000))
  %30 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %29, <16 x float> %26, <16 x float> splat (float 0x3FAC6B08E0000000))
  %31 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %30, <16 x float> %26, <16 x float> splat (float 0x3FCEBFBE00000000))
  %32 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %31, <16 x float> %26, <16 x float> splat (float 0x3FE62E4300000000))
  %33 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %32, <16 x float> %26, <16 x float> splat (float 1.000000e+00))
  %34 = bitcast <16 x float> %33 to <16 x i32>
  %35 = fptosi <16 x float> %25 to <16 x i32>
  %36 = shl <16 x i32> %35, splat (i32 23)
  %37 = add <16 x i32> %36, %34
  %38 = bitcast <16 x i32> %37 to <16 x float>
  %39 = fadd <16 x float> %38, splat (float 1.000000e+00)
  %40 = fdiv <16 x float> %21, %39
  %41 = getelementptr inbounds nuw float, ptr %1, i64 %11
  %42 = load <16 x float>, ptr %41, align 4
  %43 = fmul <16 x float> %42, %40
  %44 = getelementptr inbounds nuw float, ptr %2, i64 %11
  store <16 x float> %43, ptr %44, align 4
  %45 = add nuw nsw i64 %11, 16
  %46 = icmp slt i64 %45, %3
  br i1 %46, label %10, label %9
}

declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)

declare <16 x float> @llvm.maxnum.v16f32(<16 x float>, <16 x float>)

define void @add(ptr readonly %0, ptr readonly %1, ptr writeonly %2, i64 %3) nounwind "prefer-vector-width"="512" {
  %5 = icmp sgt i64 %3, 0
  br i1 %5, label %6, label %25

6:                                                ; preds = %4
  %7 = add nsw i64 %3, -1
  %8 = lshr i64 %7, 4
  %9 = add nuw nsw i64 %8, 1
  %10 = and i64 %9, 1
  %11 = icmp eq i64 %8, 0
  br i1 %11, label %16, label %12

12:                                               ; preds = %6
  %13 = and i64 %9, 2305843009213693950
  br label %26

14:                                               ; preds = %26
  %15 = icmp eq i64 %10, 0
  br i1 %15, label %25, label %16

16:                                               ; preds = %14, %6
  %17 = phi i64 [ 0, %6 ], [ %42, %14 ]
  %18 = icmp ne i64 %10, 0
  tail call void @llvm.assume(i1 %18)
  %19 = getelementptr inbounds nuw float, ptr %0, i64 %17
  %20 = load <16 x float>, ptr %19, align 4
  %21 = getelementptr inbounds nuw float, ptr %1, i64 %17
  %22 = load <16 x float>, ptr %21, align 4
  %23 = fadd <16 x float> %20, %22
  %24 = getelementptr inbounds nuw float, ptr %2, i64 %17
  store <16 x float> %23, ptr %24, align 4
  br label %25

25:                                               ; preds = %16, %14, %4
  ret void

26:                                               ; preds = %26, %12
  %27 = phi i64 [ 0, %12 ], [ %42, %26 ]
  %28 = phi i64 [ 0, %12 ], [ %43, %26 ]
  %29 = getelementptr inbounds nuw float, ptr %0, i64 %27
  %30 = load <16 x float>, ptr %29, align 4
  %31 = getelementptr inbounds nuw float, ptr %1, i64 %27
  %32 = load <16 x float>, ptr %31, align 4
  %33 = fadd <16 x float> %30, %32
  %34 = getelementptr inbounds nuw float, ptr %2, i64 %27
  store <16 x float> %33, ptr %34, align 4
  %35 = or i64 %27, 16
  %36 = getelementptr inbounds nuw float, ptr %0, i64 %35
  %37 = load <16 x float>, ptr %36, align 4
  %38 = getelementptr inbounds nuw float, ptr %1, i64 %35
  %39 = load <16 x float>, ptr %38, align 4
  %40 = fadd <16 x float> %37, %39
  %41 = getelementptr inbounds nuw float, ptr %2, i64 %35
  store <16 x float> %40, ptr %41, align 4
  %42 = add nuw nsw i64 %27, 32
  %43 = add i64 %28, 2
  %44 = icmp eq i64 %43, %13
  br i1 %44, label %14, label %26
}

define void @rotate(ptr noalias %0, ptr noalias readonly %1, ptr noalias readonly %2, i64 %3, i64 %4, i64 %5, i64 %6, i64 %7, i64 %8) nounwind "prefer-vector-width"="512" {
  %10 = icmp sgt i64 %3, 0
  br i1 %10, label %11, label %17

11:                                               ; preds = %9
  %12 = shl nsw i64 %7, 1
  %13 = icmp sgt i64 %5, 0
  %14 = icmp sgt i64 %7, 0
  %15 = icmp eq i64 %8, 0
  %16 = select i1 %15, i64 %7, i64 1
  br label %18

17:                                               ; preds = %32, %9
  ret void

18:                                               ; preds = %11, %32
  %19 = phi ptr [ %0, %11 ], [ %33, %32 ]
  %20 = phi i64 [ 0, %11 ], [ %34, %32 ]
  %21 = mul nsw i64 %20, %4
  %22 = getelementptr inbounds i32, ptr %2, i64 %21
  %23 = load i32, ptr %22, align 4
  %24 = tail call i32 @llvm.smax.i32(i32 %23, i32 1)
  %25 = add nsw i32 %24, -1
  %26 = zext i32 %25 to i64
  %27 = mul nsw i64 %12, %26
  %28 = getelementptr inbounds float, ptr %1, i64 %27
  br i1 %13, label %29, label %32

29:                                               ; preds = %18, %36
  %30 = phi ptr [ %38, %36 ], [ %19, %18 ]
  %31 = phi i64 [ %37, %36 ], [ 0, %18 ]
  br i1 %14, label %40, label %36

32:                                               ; preds = %36, %18
  %33 = phi ptr [ %19, %18 ], [ %38, %36 ]
  %34 = add nuw nsw i64 %20, 1
  %35 = icmp eq i64 %34, %3
  br i1 %35, label %17, label %18

36:                                               ; preds = %40, %29
  %37 = add nuw nsw i64 %31, 1
  %38 = getelementptr inbounds float, ptr %30, i64 %6
  %39 = icmp eq i64 %37, %5
  br i1 %39, label %32, label %29

40:                                               ; preds = %29, %40
  %41 = phi i64 [ %58, %40 ], [ 0, %29 ]
  %42 = shl nuw nsw i64 %41, 1
  %43 = select i1 %15, i64 %41, i64 %42
  %44 = getelementptr inbounds nuw float, ptr %30, i64 %43
  %45 = getelementptr inbounds nuw float, ptr %44, i64 %16
  %46 = load float, ptr %44, align 4
  %47 = load float, ptr %45, align 4
  %48 = getelementptr inbounds nuw float, ptr %28, i64 %42
  %49 = load float, ptr %48, align 4
  %50 = fmul float %46, %49
  %51 = getelementptr inbounds nuw i8, ptr %48, i64 4
  %52 = load float, ptr %51, align 4
  %53 = fmul float %47, %52
  %54 = fsub float %50, %53
  store float %54, ptr %44, align 4
  %55 = fmul float %47, %49
  %56 = fmul float %46, %52
  %57 = fadd float %55, %56
  store float %57, ptr %45, align 4
  %58 = add nuw nsw i64 %41, 1
  %59 = icmp eq i64 %58, %7
  br i1 %59, label %36, label %40
}

define void @store(ptr noalias readonly %0, ptr noalias writeonly %1, ptr noalias readonly %2, i64 %3, i64 %4, i64 %5, i64 %6) nounwind "prefer-vector-width"="512" {
  %8 = icmp sgt i64 %3, 0
  br i1 %8, label %9, label %15

9:                                                ; preds = %7
  %10 = icmp slt i64 %5, 1
  %11 = shl i64 %5, 2
  %12 = add i64 %11, -4
  %13 = and i64 %12, -64
  %14 = add i64 %13, 64
  br label %16

15:                                               ; preds = %38, %7
  ret void

16:                                               ; preds = %9, %38
  %17 = phi ptr [ %0, %9 ], [ %41, %38 ]
  %18 = phi ptr [ %2, %9 ], [ %40, %38 ]
  %19 = phi i64 [ 0, %9 ], [ %39, %38 ]
  %20 = load i32, ptr %18, align 4
  %21 = icmp slt i32 %20, 1
  %22 = or i1 %21, %10
  br i1 %22, label %38, label %23

23:                                               ; preds = %16
  %24 = add nsw i32 %20, -1
  %25 = zext i32 %24 to i64
  %26 = shl nuw nsw i64 %25, 1
  %27 = and i64 %26, 126
  %28 = add i64 %27, %6
  %29 = lshr i64 %25, 6
  %30 = getelementptr inbounds nuw i32, ptr %18, i64 %29
  %31 = getelementptr inbounds nuw i8, ptr %30, i64 128
  %32 = load i32, ptr %31, align 4
  %33 = sext i32 %32 to i64
  %34 = shl nsw i64 %33, 7
  %35 = add i64 %28, %34
  %36 = mul i64 %35, %5
  %37 = getelementptr float, ptr %1, i64 %36
  tail call void @llvm.memcpy.p0.p0.i64(ptr align 4 %37, ptr align 4 %17, i64 %14, i1 false)
  br label %38

38:                                               ; preds = %16, %23
  %39 = add nuw nsw i64 %19, 1
  %40 = getelementptr inbounds i32, ptr %18, i64 %4
  %41 = getelementptr float, ptr %17, i64 %5
  %42 = icmp eq i64 %39, %3
  br i1 %42, label %15, label %16
}

define void @attend(ptr noalias readonly %0, ptr noalias readonly %1, ptr noalias readonly %2, ptr noalias %3, ptr noalias %4, i64 %5, i64 %6, i64 %7, i64 %8, i64 %9, i64 %10, float %11, float %12) nounwind "prefer-vector-width"="512" {
  %14 = mul nsw i64 %9, %8
  %15 = sdiv i64 %7, %8
  %16 = icmp sgt i64 %5, 0
  br i1 %16, label %17, label %39

17:                                               ; preds = %13
  %18 = icmp ne i64 %10, 0
  %19 = icmp sgt i64 %7, 0
  %20 = icmp sgt i64 %9, 0
  %21 = fcmp ogt float %12, 0.000000e+00
  %22 = insertelement <16 x float> poison, float %12, i64 0
  %23 = shufflevector <16 x float> %22, <16 x float> poison, <16 x i32> zeroinitializer
  %24 = fmul float %12, 2.000000e+00
  %25 = insertelement <16 x float> poison, float %24, i64 0
  %26 = shufflevector <16 x float> %25, <16 x float> poison, <16 x i32> zeroinitializer
  %27 = shl i64 %9, 2
  %28 = add i64 %27, -4
  %29 = and i64 %28, -32
  %30 = add i64 %29, 32
  %31 = add i64 %9, -1
  %32 = lshr i64 %31, 3
  %33 = add nuw nsw i64 %32, 1
  %34 = and i64 %33, 3
  %35 = icmp ult i64 %9, 25
  %36 = and i64 %33, 4611686018427387900
  %37 = icmp eq i64 %34, 0
  %38 = icmp ne i64 %34, 0
  br label %40

39:                                               ; preds = %56, %13
  ret void

40:                                               ; preds = %17, %56
  %41 = phi ptr [ %0, %17 ], [ %58, %56 ]
  %42 = phi ptr [ %2, %17 ], [ %60, %56 ]
  %43 = phi ptr [ %4, %17 ], [ %57, %56 ]
  %44 = phi i64 [ 0, %17 ], [ %59, %56 ]
  %45 = load i32, ptr %42, align 4
  %46 = sext i32 %45 to i64
  %47 = icmp slt i64 %10, %46
  %48 = select i1 %18, i1 %47, i1 false
  %49 = sub nsw i64 %46, %10
  %50 = select i1 %48, i64 %49, i64 0
  %51 = sub i64 %46, %50
  br i1 %19, label %52, label %56

52:                                               ; preds = %40
  %53 = icmp slt i32 %45, 1
  %54 = icmp sgt i64 %51, 0
  %55 = add nsw i64 %51, 16
  br label %62

56:                                               ; preds = %272, %40
  %57 = phi ptr [ %43, %40 ], [ %275, %272 ]
  %58 = phi ptr [ %41, %40 ], [ %274, %272 ]
  %59 = add nuw nsw i64 %44, 1
  %60 = getelementptr inbounds i32, ptr %42, i64 %6
  %61 = icmp eq i64 %59, %5
  br i1 %61, label %39, label %40

62:                                               ; preds = %52, %272
  %63 = phi ptr [ %41, %52 ], [ %274, %272 ]
  %64 = phi ptr [ %43, %52 ], [ %275, %272 ]
  %65 = phi i64 [ 0, %52 ], [ %273, %272 ]
  br i1 %53, label %272, label %66

66:                                               ; preds = %62
  %67 = sdiv i64 %65, %15
  %68 = mul nsw i64 %67, %9
  %69 = getelementptr inbounds float, ptr %1, i64 %68
  br i1 %54, label %72, label %70

70:                                               ; preds = %87, %66
  %71 = phi float [ 0xC6293E5940000000, %66 ], [ %102, %87 ]
  br label %117

72:                                               ; preds = %66, %87
  %73 = phi float [ %102, %87 ], [ 0xC6293E5940000000, %66 ]
  %74 = phi i64 [ %103, %87 ], [ 0, %66 ]
  %75 = add nuw nsw i64 %74, %50
  %76 = lshr i64 %75, 6
  %77 = getelementptr inbounds nuw i32, ptr %42, i64 %76
  %78 = getelementptr inbounds nuw i8, ptr %77, i64 128
  %79 = load i32, ptr %78, align 4
  %80 = sext i32 %79 to i64
  %81 = shl nsw i64 %80, 7
  %82 = shl nuw i64 %75, 1
  %83 = and i64 %82, 126
  %84 = or i64 %81, %83
  %85 = mul nsw i64 %84, %14
  %86 = getelementptr inbounds float, ptr %69, i64 %85
  br i1 %20, label %105, label %87

87:                                               ; preds = %105, %72
  %88 = phi <8 x float> [ zeroinitializer, %72 ], [ %112, %105 ]
  %89 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %90 = shufflevector <8 x float> %88, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %91 = fadd <4 x float> %89, %90
  %92 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %93 = fadd <4 x float> %91, %92
  %94 = shufflevector <4 x float> %91, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %95 = fadd <4 x float> %91, %94
  %96 = shufflevector <4 x float> %95, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %97 = fadd <4 x float> %93, %96
  %98 = extractelement <4 x float> %97, i64 0
  %99 = fmul float %11, %98
  %100 = getelementptr inbounds nuw float, ptr %3, i64 %74
  store float %99, ptr %100, align 4
  %101 = fcmp ogt float %99, %73
  %102 = select i1 %101, float %99, float %73
  %103 = add nuw nsw i64 %74, 1
  %104 = icmp eq i64 %103, %51
  br i1 %104, label %70, label %72

105:                                              ; preds = %72, %105
  %106 = phi i64 [ %113, %105 ], [ 0, %72 ]
  %107 = phi <8 x float> [ %112, %105 ], [ zeroinitializer, %72 ]
  %108 = getelementptr inbounds nuw float, ptr %63, i64 %106
  %109 = load <8 x float>, ptr %108, align 4
  %110 = getelementptr inbounds nuw float, ptr %86, i64 %106
  %111 = load <8 x float>, ptr %110, align 4
  %112 = tail call <8 x float> @llvm.fma.v8f32(<8 x float> %109, <8 x float> %111, <8 x float> %107)
  %113 = add nuw nsw i64 %106, 8
  %114 = icmp slt i64 %113, %9
  br i1 %114, label %105, label %87

115:                                              ; preds = %117
  br i1 %21, label %116, label %155

116:                                              ; preds = %115
  br i1 %54, label %122, label %149

117:                                              ; preds = %70, %117
  %118 = phi i64 [ %51, %70 ], [ %120, %117 ]
  %119 = getelementptr inbounds float, ptr %3, i64 %118
  store float 0xC6293E5940000000, ptr %119, align 4
  %120 = add nsw i64 %118, 1
  %121 = icmp slt i64 %120, %55
  br i1 %121, label %117, label %115

122:                                              ; preds = %116, %122
  %123 = phi i64 [ %147, %122 ], [ 0, %116 ]
  %124 = getelementptr inbounds nuw float, ptr %3, i64 %123
  %125 = load <16 x float>, ptr %124, align 4
  %126 = fdiv <16 x float> %125, %23
  %127 = fmul <16 x float> %126, splat (float 0x4007154760000000)
  %128 = tail call <16 x float> @llvm.maxnum.v16f32(<16 x float> %127, <16 x float> splat (float -1.200000e+02))
  %129 = tail call <16 x float> @llvm.minnum.v16f32(<16 x float> %128, <16 x float> splat (float 1.200000e+02))
  %130 = tail call <16 x float> @llvm.rint.v16f32(<16 x float> %129)
  %131 = fsub <16 x float> %129, %130
  %132 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %131, <16 x float> splat (float 0x3EEFFCBFC0000000), <16 x float> splat (float 0x3F24309120000000))
  %133 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %132, <16 x float> %131, <16 x float> splat (float 0x3F55D87FE0000000))
  %134 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %133, <16 x float> %131, <16 x float> splat (float 0x3F83B2AB60000000))
  %135 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %134, <16 x float> %131, <16 x float> splat (float 0x3FAC6B08E0000000))
  %136 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %135, <16 x float> %131, <16 x float> splat (float 0x3FCEBFBE00000000))
  %137 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %136, <16 x float> %131, <16 x float> splat (float 0x3FE62E4300000000))
  %138 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %137, <16 x float> %131, <16 x float> splat (float 1.000000e+00))
  %139 = bitcast <16 x float> %138 to <16 x i32>
  %140 = fptosi <16 x float> %130 to <16 x i32>
  %141 = shl <16 x i32> %140, splat (i32 23)
  %142 = add <16 x i32> %141, %139
  %143 = bitcast <16 x i32> %142 to <16 x float>
  %144 = fadd <16 x float> %143, splat (float 1.000000e+00)
  %145 = fdiv <16 x float> %26, %144
  %146 = fsub <16 x float> %23, %145
  store <16 x float> %146, ptr %124, align 4
  %147 = add nuw nsw i64 %123, 16
  %148 = icmp slt i64 %147, %51
  br i1 %148, label %122, label %149

149:                                              ; preds = %122, %116
  br label %150

150:                                              ; preds = %149, %150
  %151 = phi i64 [ %153, %150 ], [ %51, %149 ]
  %152 = getelementptr inbounds float, ptr %3, i64 %151
  store float 0xC6293E5940000000, ptr %152, align 4
  %153 = add nsw i64 %151, 1
  %154 = icmp slt i64 %153, %55
  br i1 %154, label %150, label %155

155:                                              ; preds = %150, %115
  %156 = phi float [ %71, %115 ], [ %12, %150 ]
  br i1 %54, label %157, label %160

157:                                              ; preds = %155
  %158 = insertelement <16 x float> poison, float %156, i64 0
  %159 = shufflevector <16 x float> %158, <16 x float> poison, <16 x i32> zeroinitializer
  br label %163

160:                                              ; preds = %163, %155
  %161 = phi <16 x float> [ zeroinitializer, %155 ], [ %185, %163 ]
  br i1 %20, label %162, label %188

162:                                              ; preds = %160
  tail call void @llvm.memset.p0.i64(ptr align 4 %64, i8 0, i64 %30, i1 false)
  br label %188

163:                                              ; preds = %157, %163
  %164 = phi i64 [ 0, %157 ], [ %186, %163 ]
  %165 = phi <16 x float> [ zeroinitializer, %157 ], [ %185, %163 ]
  %166 = getelementptr inbounds nuw float, ptr %3, i64 %164
  %167 = load <16 x float>, ptr %166, align 4
  %168 = fsub <16 x float> %167, %159
  %169 = fmul <16 x float> %168, splat (float 0x3FF7154760000000)
  %170 = tail call <16 x float> @llvm.maxnum.v16f32(<16 x float> %169, <16 x float> splat (float -1.260000e+02))
  %171 = tail call <16 x float> @llvm.rint.v16f32(<16 x float> %170)
  %172 = fsub <16 x float> %170, %171
  %173 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %172, <16 x float> splat (float 0x3EEFFCBFC0000000), <16 x float> splat (float 0x3F24309120000000))
  %174 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %173, <16 x float> %172, <16 x float> splat (float 0x3F55D87FE0000000))
  %175 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %174, <16 x float> %172, <16 x float> splat (float 0x3F83B2AB60000000))
  %176 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %175, <16 x float> %172, <16 x float> splat (float 0x3FAC6B08E0000000))
  %177 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %176, <16 x float> %172, <16 x float> splat (float 0x3FCEBFBE00000000))
  %178 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %177, <16 x float> %172, <16 x float> splat (float 0x3FE62E4300000000))
  %179 = tail call <16 x float> @llvm.fma.v16f32(<16 x float> %178, <16 x float> %172, <16 x float> splat (float 1.000000e+00))
  %180 = bitcast <16 x float> %179 to <16 x i32>
  %181 = fptosi <16 x float> %171 to <16 x i32>
  %182 = shl <16 x i32> %181, splat (i32 23)
  %183 = add <16 x i32> %182, %180
  %184 = bitcast <16 x i32> %183 to <16 x float>
  store <16 x i32> %183, ptr %166, align 4
  %185 = fadd <16 x float> %165, %184
  %186 = add nuw nsw i64 %164, 16
  %187 = icmp slt i64 %186, %51
  br i1 %187, label %163, label %160

188:                                              ; preds = %162, %160
  br i1 %54, label %207, label %189

189:                                              ; preds = %224, %188
  br i1 %20, label %190, label %272

190:                                              ; preds = %189
  %191 = shufflevector <16 x float> %161, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %192 = shufflevector <16 x float> %161, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %193 = fadd <8 x float> %191, %192
  %194 = shufflevector <8 x float> %193, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %195 = shufflevector <8 x float> %193, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %196 = fadd <4 x float> %194, %195
  %197 = shufflevector <4 x float> %196, <4 x float> poison, <4 x i32> <i32 2, i32 poison, i32 poison, i32 poison>
  %198 = fadd <4 x float> %196, %197
  %199 = shufflevector <4 x float> %196, <4 x float> poison, <4 x i32> <i32 poison, i32 3, i32 poison, i32 poison>
  %200 = fadd <4 x float> %196, %199
  %201 = shufflevector <4 x float> %200, <4 x float> poison, <4 x i32> <i32 1, i32 poison, i32 poison, i32 poison>
  %202 = fadd <4 x float> %198, %201
  %203 = extractelement <4 x float> %202, i64 0
  %204 = fdiv float 1.000000e+00, %203
  %205 = insertelement <8 x float> poison, float %204, i64 0
  %206 = shufflevector <8 x float> %205, <8 x float> poison, <8 x i32> zeroinitializer
  br i1 %35, label %261, label %239

207:                                              ; preds = %188, %224
  %208 = phi i64 [ %225, %224 ], [ 0, %188 ]
  %209 = add nuw nsw i64 %208, %50
  %210 = lshr i64 %209, 6
  %211 = getelementptr inbounds nuw i32, ptr %42, i64 %210
  %212 = getelementptr inbounds nuw i8, ptr %211, i64 128
  %213 = load i32, ptr %212, align 4
  %214 = sext i32 %213 to i64
  %215 = shl nsw i64 %214, 7
  %216 = shl nuw i64 %209, 1
  %217 = and i64 %216, 126
  %218 = or i64 %215, %217
  %219 = or i64 %218, 1
  %220 = mul nsw i64 %219, %14
  %221 = getelementptr inbounds float, ptr %69, i64 %220
  br i1 %20, label %222, label %224

222:                                              ; preds = %207
  %223 = getelementptr inbounds nuw float, ptr %3, i64 %208
  br label %227

224:                                              ; preds = %227, %207
  %225 = add nuw nsw i64 %208, 1
  %226 = icmp eq i64 %225, %51
  br i1 %226, label %189, label %207

227:                                              ; preds = %222, %227
  %228 = phi i64 [ 0, %222 ], [ %237, %227 ]
  %229 = load float, ptr %223, align 4
  %230 = insertelement <8 x float> poison, float %229, i64 0
  %231 = shufflevector <8 x float> %230, <8 x float> poison, <8 x i32> zeroinitializer
  %232 = getelementptr inbounds nuw float, ptr %221, i64 %228
  %233 = load <8 x float>, ptr %232, align 4
  %234 = getelementptr inbounds nuw float, ptr %64, i64 %228
  %235 = load <8 x float>, ptr %234, align 4
  %236 = tail call <8 x float> @llvm.fma.v8f32(<8 x float> %231, <8 x float> %233, <8 x float> %235)
  store <8 x float> %236, ptr %234, align 4
  %237 = add nuw nsw i64 %228, 8
  %238 = icmp slt i64 %237, %9
  br i1 %238, label %227, label %224

239:                                              ; preds = %190, %239
  %240 = phi i64 [ %257, %239 ], [ 0, %190 ]
  %241 = phi i64 [ %258, %239 ], [ 0, %190 ]
  %242 = getelementptr inbounds nuw float, ptr %64, i64 %240
  %243 = load <8 x float>, ptr %242, align 4
  %244 = fmul <8 x float> %206, %243
  store <8 x float> %244, ptr %242, align 4
  %245 = getelementptr inbounds nuw float, ptr %64, i64 %240
  %246 = getelementptr inbounds nuw i8, ptr %245, i64 32
  %247 = load <8 x float>, ptr %246, align 4
  %248 = fmul <8 x float> %206, %247
  store <8 x float> %248, ptr %246, align 4
  %249 = getelementptr inbounds nuw float, ptr %64, i64 %240
  %250 = getelementptr inbounds nuw i8, ptr %249, i64 64
  %251 = load <8 x float>, ptr %250, align 4
  %252 = fmul <8 x float> %206, %251
  store <8 x float> %252, ptr %250, align 4
  %253 = getelementptr inbounds nuw float, ptr %64, i64 %240
  %254 = getelementptr inbounds nuw i8, ptr %253, i64 96
  %255 = load <8 x float>, ptr %254, align 4
  %256 = fmul <8 x float> %206, %255
  store <8 x float> %256, ptr %254, align 4
  %257 = add nuw nsw i64 %240, 32
  %258 = add i64 %241, 4
  %259 = icmp eq i64 %258, %36
  br i1 %259, label %260, label %239

260:                                              ; preds = %239
  br i1 %37, label %272, label %261

261:                                              ; preds = %260, %190
  %262 = phi i64 [ 0, %190 ], [ %257, %260 ]
  tail call void @llvm.assume(i1 %38)
  br label %263

263:                                              ; preds = %263, %261
  %264 = phi i64 [ %262, %261 ], [ %269, %263 ]
  %265 = phi i64 [ 0, %261 ], [ %270, %263 ]
  %266 = getelementptr inbounds nuw float, ptr %64, i64 %264
  %267 = load <8 x float>, ptr %266, align 4
  %268 = fmul <8 x float> %206, %267
  store <8 x float> %268, ptr %266, align 4
  %269 = add nuw nsw i64 %264, 8
  %270 = add i64 %265, 1
  %271 = icmp eq i64 %270, %34
  br i1 %271, label %272, label %263

272:                                              ; preds = %260, %263, %189, %62
  %273 = add nuw nsw i64 %65, 1
  %274 = getelementptr inbounds float, ptr %63, i64 %9
  %275 = getelementptr float, ptr %64, i64 %9
  %276 = icmp eq i64 %273, %7
  br i1 %276, label %56, label %62
}

declare <16 x float> @llvm.rint.v16f32(<16 x float>)

declare <16 x float> @llvm.minnum.v16f32(<16 x float>, <16 x float>)

declare void @llvm.memcpy.p0.p0.i64(ptr noalias writeonly, ptr noalias readonly, i64, i1 immarg)

declare void @llvm.memset.p0.i64(ptr writeonly, i8, i64, i1 immarg)

declare i32 @llvm.smax.i32(i32, i32)

declare void @llvm.assume(i1)

